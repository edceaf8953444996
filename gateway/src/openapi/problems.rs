//! Problem responses, one for each HTTP status of the registry, with an example of each type.

use std::collections::BTreeMap;

use http::StatusCode;
use utoipa::openapi::{ContentBuilder, Ref, Response, ResponseBuilder, example::ExampleBuilder};

use super::{headers, schemas};
use crate::problem::{self, ProblemType, registry};

/// Statuses of placing an order alone: its outcomes and the errors of a body.
const WRITE_ONLY: [StatusCode; 6] = [
    StatusCode::PAYMENT_REQUIRED,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::GONE,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
];

/// The components of all responses.
pub(super) fn responses() -> Vec<(String, Response)> {
    by_status().into_iter().map(|(status, types)| (component(status), response(status, &types))).collect()
}

/// A reference to the component of a status.
pub(super) fn reference(status: StatusCode) -> Ref {
    Ref::from_response_name(component(status))
}

/// The statuses of placing an order.
pub(super) fn of_writes() -> Vec<StatusCode> {
    by_status().into_keys().collect()
}

/// The statuses of reading orders.
pub(super) fn of_reads() -> Vec<StatusCode> {
    by_status().into_keys().filter(|status| !WRITE_ONLY.contains(status)).collect()
}

fn component(status: StatusCode) -> String {
    format!("Problem{}", status.as_str())
}

fn by_status() -> BTreeMap<StatusCode, Vec<&'static ProblemType>> {
    let mut types = BTreeMap::<_, Vec<_>>::new();
    for kind in registry::TYPES {
        for status in kind.statuses {
            types.entry(status.http).or_default().push(kind);
        }
    }
    types
}

fn response(status: StatusCode, types: &[&'static ProblemType]) -> Response {
    // Relative to the document and to the page of Swagger UI, also below a path prefix.
    let titles: Vec<String> =
        types.iter().map(|kind| format!("[{}](problems/{})", kind.title, kind.slug)).collect();
    let examples = types.iter().map(|kind| {
        let example = ExampleBuilder::new()
            .summary(kind.title)
            .value(serde_json::to_value(problem::example(kind, status)).ok());
        (kind.slug, example)
    });
    let content =
        ContentBuilder::new().schema(Some(schemas::reference(schemas::PROBLEM))).examples_from_iter(examples);
    let described =
        ResponseBuilder::new().description(titles.join("; ")).content(problem::CONTENT_TYPE, content.build());
    headers_of(status, types)
        .into_iter()
        .fold(described, |all, h| all.header_ref(h, headers::reference(h)))
        .build()
}

fn headers_of(status: StatusCode, types: &[&'static ProblemType]) -> Vec<&'static str> {
    let mut all =
        vec![headers::REQUEST_ID, headers::IDEMPOTENCY_KEY, headers::RATE_LIMIT_POLICY, headers::RATE_LIMIT];
    if types.iter().any(|kind| kind.for_status(status).retry_after) {
        all.push(headers::RETRY_AFTER);
    }
    if types.iter().any(|kind| kind.marks_replay) {
        all.push(headers::IDEMPOTENT_REPLAYED);
    }
    match status {
        StatusCode::METHOD_NOT_ALLOWED => all.push(headers::ALLOW),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => all.push(headers::WWW_AUTHENTICATE),
        _ => {}
    }
    all
}
