//! Tests of problems, over statuses as the channel hands them on; those over a real wire are the whole
//! system's.

use axum::response::IntoResponse;
use grpc_client::Failure;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use prost::Message;
use prost_types::Any;
use serde_json::Value;
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

/// What the channel marks a backend's own status with.
const ANSWERED: &str = "x-channel-answered";

/// The codes that a failed call can end with.
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

/// A problem as a client gets it.
#[derive(Debug)]
struct Seen {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
    text: String,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

async fn see(problem: Problem) -> Seen {
    let response = problem.into_response();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Seen { status, headers, body: serde_json::from_str(&text).unwrap(), text }
}

/// What a client is told of a backend's `status`.
async fn told(status: &Status, asked: &RequestFacts) -> Seen {
    assert_eq!(Failure::of(status), Failure::ServerStatus);
    see(from_status(status, asked)).await
}

/// What a client that asked for nothing in particular is told of a status with `details`.
async fn told_of(code: Code, details: &[Any]) -> Seen {
    told(&status(code, "the message", details), &RequestFacts::default()).await
}

/// As [`told_of`], with how much was left out of the problem, by why.
async fn told_with_counts(code: Code, details: &[Any]) -> (Seen, ProblemContext) {
    let site = ProblemContext::default();
    let status = status(code, "the message", details);
    (scope(site.clone(), told(&status, &RequestFacts::default())).await, site)
}

/// A status as it comes from a backend through the channel.
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
