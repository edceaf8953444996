//! Failures without a status from Order, each provoked over a real connection. The problem depends
//! on whether the call may have run.

mod deadline;
mod invalid_response;
mod lost_connection;
mod not_started;

use serde_json::Value;

use crate::{
    gateway_fixture::{ALL_OPERATIONS, GatewayFixture, Operation},
    log_capture::LogCapture,
    support::Response,
};

/// Ids without a run of digits that could equal a port.
const REQUEST_ID: &str = "6f1c2a3e-8d4b-4c55-9a57-0d0f4f1a2b3c";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const KEY: &str = "key-1";

/// Texts that no response may contain: Order's address, and messages of the OS and of libraries.
const PRIVATE: [&str; 12] = [
    "127.0.0.1",
    "localhost",
    "onnection refused",
    "os error",
    "tcp",
    "ConnectError",
    "hyper",
    "h2 ",
    "roken pipe",
    "transport error",
    "GOAWAY",
    "canary",
];

/// The expected problem.
#[derive(Debug, Clone, Copy)]
struct ExpectedProblem {
    http: u16,
    slug: &'static str,
    code: &'static str,
    reason: Option<&'static str>,
    retry_after: &'static str,
    retryable: bool,
}

const NOT_STARTED: ExpectedProblem = ExpectedProblem {
    http: 503,
    slug: "not-started",
    code: "UNAVAILABLE",
    reason: Some("NOT_STARTED"),
    retry_after: "1",
    retryable: true,
};
const OUTCOME_UNKNOWN: ExpectedProblem = ExpectedProblem {
    http: 504,
    slug: "outcome-unknown",
    code: "DEADLINE_EXCEEDED",
    reason: Some("OUTCOME_UNKNOWN"),
    retry_after: "1",
    retryable: true,
};
const TIMED_OUT: ExpectedProblem =
    ExpectedProblem { slug: "deadline-exceeded", reason: None, ..OUTCOME_UNKNOWN };
const UNAVAILABLE: ExpectedProblem =
    ExpectedProblem { slug: "unavailable", reason: None, retry_after: "", ..NOT_STARTED };
const BAD_GATEWAY: ExpectedProblem = ExpectedProblem {
    http: 502,
    slug: "internal",
    code: "INTERNAL",
    reason: None,
    retry_after: "",
    retryable: true,
};

async fn call(gateway: &GatewayFixture, operation: Operation) -> Response {
    let headers = [("x-request-id", REQUEST_ID), ("traceparent", TRACEPARENT), ("idempotency-key", KEY)];
    gateway.call(operation, &headers).await
}

/// Calls `operation` and asserts the problem and one log line with this `failure`.
async fn assert_failure(
    gateway: &GatewayFixture,
    log: &LogCapture,
    operation: Operation,
    expected: ExpectedProblem,
    failure: &str,
) {
    log.take_lines();
    let response = call(gateway, operation).await;
    assert_problem(&response, operation, expected);
    assert_logged_once(&log.take_lines(), failure);
}

/// [`assert_failure`] for every operation.
async fn assert_failures(
    gateway: &GatewayFixture,
    log: &LogCapture,
    [write, read]: [ExpectedProblem; 2],
    failure: &str,
) {
    for operation in ALL_OPERATIONS {
        assert_failure(
            gateway,
            log,
            operation,
            if operation == Operation::Create { write } else { read },
            failure,
        )
        .await;
    }
}

fn assert_problem(response: &Response, operation: Operation, expected: ExpectedProblem) {
    let problem = response.problem();
    let context = format!("{operation:?}: {problem:#}");
    assert_eq!(response.status.as_u16(), expected.http, "{context}");
    assert_eq!(problem["type"], format!("/problems/{}", expected.slug), "{context}");
    assert_eq!(problem["code"], expected.code, "{context}");
    assert_eq!(problem["retryable"], expected.retryable, "{context}");
    assert_eq!(problem.get("reason").and_then(Value::as_str), expected.reason, "{context}");
    assert_eq!(
        problem.get("domain").and_then(Value::as_str),
        expected.reason.map(|_| "gateway"),
        "{context}"
    );
    assert_eq!(response.header("retry-after"), expected.retry_after, "{context}");
    assert_eq!(
        response.header("idempotency-key"),
        if operation == Operation::Create { KEY } else { "" },
        "{context}"
    );
    let text = format!("{:?} {}", response.headers, String::from_utf8_lossy(&response.body));
    for private in PRIVATE {
        assert!(!text.contains(private), "{private:?} in {text}");
    }
}

/// Asserts that one warning has the cause and the request id.
fn assert_logged_once(lines: &[String], failure: &str) {
    let causes: Vec<_> = lines.iter().filter(|line| !line.contains(" INFO ")).collect();
    assert_eq!(causes.len(), 1, "{lines:#?}");
    assert!(causes[0].contains(" WARN ") && causes[0].contains(&format!("failure={failure}")), "{causes:?}");
    assert!(causes[0].contains(REQUEST_ID), "{causes:?}");
}
