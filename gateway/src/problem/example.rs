//! What problems of a type look like: made by the code that makes real ones, so that they cannot differ.

use http::{HeaderMap, HeaderValue, StatusCode};
use service_kit::trace;

use super::{
    Body, Problem, ProblemType, Violation,
    context::ProblemContext,
    registry::{Example, Key},
};

const REQUEST_ID: HeaderValue = HeaderValue::from_static("6f1c2a3e-8d4b-4c55-9a57-0d0f4f1a2b3c");
const TRACEPARENT: HeaderValue =
    HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");

/// A problem of the type `kind` with the HTTP `status`, of which it must be one of the answers (else it is the
/// first). The members are those that a caller sees; `type` is relative.
pub fn example(kind: &'static ProblemType, status: StatusCode) -> Body {
    let answer = kind.answer_with(status);
    let mut problem = Problem::of(kind, answer);
    if let Key::Reason { domain, reason } = kind.key {
        problem.body_mut().reason = Some(reason.to_owned());
        problem.body_mut().domain = Some(domain.to_owned());
    }
    if std::ptr::eq(answer, &kind.answers[0]) {
        tell(&mut problem, &kind.example);
    }
    let headers = HeaderMap::from_iter([(trace::REQUEST_ID, REQUEST_ID), (trace::TRACEPARENT, TRACEPARENT)]);
    problem.body_mut().place(kind.slug, &ProblemContext::default(), &trace::Context::from_headers(&headers));
    problem.0.body
}

fn tell(problem: &mut Problem, example: &Example) {
    if let Some(id) = example.order_id {
        problem.set_order_id(id);
    }
    let body = problem.body_mut();
    if let Some(detail) = example.detail {
        body.detail = detail.to_owned();
    }
    body.metadata =
        example.metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    body.errors = example
        .errors
        .iter()
        .map(|(field, pointer, detail)| Violation {
            field: (*field).to_owned(),
            pointer: pointer.map(str::to_owned),
            detail: (*detail).to_owned(),
            reason: None,
        })
        .collect();
}
