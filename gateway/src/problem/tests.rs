//! Tests of problems for every code, reason and detail type. This is the table of the mapping; the system
//! tests repeat only a few cases on the wire.

use axum::response::IntoResponse;
use grpc_client::Failure;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use prost::Message;
use prost_types::Any;
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::pb;

use super::{Problem, ProblemContext, RequestFacts, from_status, scope};

mod bounds;
mod codes;
mod details;
mod gateway_problems;
mod leakage;
mod localized;
mod logged;
mod malformed_details;
mod pages;
mod registered;
mod schema;
mod transport_failures;

/// The metadata key by which the gRPC client marks a status that a backend sent.
const ANSWERED: &str = "x-channel-answered";

/// Every code of a failed call.
const CODES: [Code; 16] = [
    Code::Cancelled,
    Code::Unknown,
    Code::InvalidArgument,
    Code::DeadlineExceeded,
    Code::NotFound,
    Code::AlreadyExists,
    Code::PermissionDenied,
    Code::ResourceExhausted,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::OutOfRange,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
    Code::Unauthenticated,
];

/// The members of every problem.
const MEMBERS: [&str; 9] =
    ["type", "title", "status", "detail", "instance", "code", "request_id", "trace_id", "retryable"];

/// The response of a problem.
#[derive(Debug)]
struct Rendered {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
    text: String,
}

impl Rendered {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The members beyond [`MEMBERS`].
    fn further_members(&self) -> Value {
        let mut body = self.body.clone();
        for member in MEMBERS {
            assert!(body.as_object_mut().unwrap().remove(member).is_some(), "no {member}: {body}");
        }
        body
    }

    /// The headers beyond Content-Type, and WWW-Authenticate of a 401, sorted.
    fn further_headers(&self) -> Vec<(&str, &str)> {
        let usual = |name: &str| name == "content-type" || (name == "www-authenticate" && self.status == 401);
        let all = self.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let mut further: Vec<_> = all.filter(|(name, _)| !usual(name)).collect();
        further.sort_unstable();
        further
    }

    /// The headers and the body as one text.
    fn everything(&self) -> String {
        format!("{:?}{}", self.headers, self.text)
    }
}

async fn render(problem: Problem) -> Rendered {
    let response = problem.into_response();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Rendered { status, headers, body: serde_json::from_str(&text).unwrap(), text }
}

/// The problem of a `status` that a backend sent.
async fn render_status(status: &Status, request: &RequestFacts) -> Rendered {
    assert_eq!(Failure::of(status), Failure::ServerStatus);
    render(from_status(status, request)).await
}

/// The problem of a status with `details`, for a read.
async fn render_details(code: Code, details: &[Any]) -> Rendered {
    render_status(&status(code, "the message", details), &RequestFacts::default()).await
}

/// As [`render_details`], with the counters of what the problem leaves out.
async fn render_counted(code: Code, details: &[Any]) -> (Rendered, ProblemContext) {
    let context = ProblemContext::default();
    (scope(context.clone(), render_details(code, details)).await, context)
}

/// A write, a read of order 7 and a read that names no order.
fn requests() -> [RequestFacts; 3] {
    [
        RequestFacts { write: true, ..RequestFacts::default() },
        RequestFacts { order_id: Some(7), ..RequestFacts::default() },
        RequestFacts::default(),
    ]
}

/// `members`, with the `order_id` that the request names unless they have another.
fn with_order_id(request: &RequestFacts, mut members: Value) -> Value {
    if let (Some(id), None) = (request.order_id, members.get("order_id")) {
        members["order_id"] = json!(id);
    }
    members
}

/// A status as the gRPC client returns it for one that a backend sent.
fn status(code: Code, message: &str, details: &[Any]) -> Status {
    let rpc = pb::Status { code: code.into(), message: message.to_owned(), details: details.to_vec() };
    raw_status(code, message, rpc.encode_to_vec())
}

fn raw_status(code: Code, message: &str, details: Vec<u8>) -> Status {
    let mut status = Status::with_details(code, message, details.into());
    status.metadata_mut().insert(ANSWERED, "1".parse().unwrap());
    status
}

fn any(name: &str, detail: &impl Message) -> Any {
    Any { type_url: format!("type.googleapis.com/{name}"), value: detail.encode_to_vec() }
}

fn error_info(domain: &str, reason: &str, metadata: &[(&str, &str)]) -> Any {
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    any(
        "google.rpc.ErrorInfo",
        &pb::ErrorInfo { reason: reason.to_owned(), domain: domain.to_owned(), metadata },
    )
}

fn retry_info(seconds: i64, nanos: i32) -> Any {
    let retry_delay = Some(prost_types::Duration { seconds, nanos });
    any("google.rpc.RetryInfo", &pb::RetryInfo { retry_delay })
}

fn bad_request(violations: &[(&str, &str, &str)]) -> Any {
    let field_violations = violations
        .iter()
        .map(|(field, description, reason)| pb::bad_request::FieldViolation {
            field: (*field).to_owned(),
            description: (*description).to_owned(),
            reason: (*reason).to_owned(),
            localized_message: None,
        })
        .collect();
    any("google.rpc.BadRequest", &pb::BadRequest { field_violations })
}

fn help(links: &[(&str, &str)]) -> Any {
    let links = links
        .iter()
        .map(|(title, url)| pb::help::Link { description: (*title).to_owned(), url: (*url).to_owned() })
        .collect();
    any("google.rpc.Help", &pb::Help { links })
}

fn localized(locale: &str, message: &str) -> Any {
    let detail = pb::LocalizedMessage { locale: locale.to_owned(), message: message.to_owned() };
    any("google.rpc.LocalizedMessage", &detail)
}

/// A detail of a known type whose bytes do not decode.
fn malformed(name: &str) -> Any {
    Any { type_url: format!("type.googleapis.com/{name}"), value: vec![0x0a, 0xff] }
}

fn accepting(languages: &'static str) -> RequestFacts {
    RequestFacts { accept_language: Some(HeaderValue::from_static(languages)), ..RequestFacts::default() }
}
