//! Examples of problems, made by the code that makes real ones.

use http::{HeaderMap, HeaderValue, StatusCode};
use service_kit::trace;

use super::{
    Body, Problem, ProblemType, Violation,
    context::ProblemContext,
    registry::{Example, TypeKey},
};

const REQUEST_ID: HeaderValue = HeaderValue::from_static("6f1c2a3e-8d4b-4c55-9a57-0d0f4f1a2b3c");
const TRACEPARENT: HeaderValue =
    HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");

/// An example of `kind` with the HTTP `status`, or with the first status of `kind` if it does not have
/// `status`. `type` is relative.
pub fn example(kind: &'static ProblemType, status: StatusCode) -> Body {
    let status = kind.for_status(status);
    let mut problem = Problem::new(kind, status);
    if let TypeKey::Reason { domain, reason } = kind.key {
        problem.body_mut().reason = Some(reason.to_owned());
        problem.body_mut().domain = Some(domain.to_owned());
    }
    if std::ptr::eq(status, &kind.statuses[0]) {
        apply(&mut problem, &kind.example);
    }
    let headers = HeaderMap::from_iter([(trace::REQUEST_ID, REQUEST_ID), (trace::TRACEPARENT, TRACEPARENT)]);
    let trace = trace::Context::from_headers(&headers);
    problem.body_mut().set_request(kind.slug, &ProblemContext::default(), &trace);
    problem.0.body
}

fn apply(problem: &mut Problem, example: &Example) {
    let body = problem.body_mut();
    body.order_id = example.order_id;
    if let Some(detail) = example.detail {
        body.detail = detail.to_owned();
    }
    body.metadata =
        example.metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    body.errors = example
        .errors
        .iter()
        .map(|(field, pointer, detail)| Violation::new(*field, pointer.map(str::to_owned), *detail))
        .collect();
}
