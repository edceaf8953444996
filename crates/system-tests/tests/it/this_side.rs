//! Failures on the gateway's side of the wire, each provoked for real: no status came from Order, and what
//! the public is told follows from whether the call may have run.

mod deadline;
mod lost;
mod never_ran;
mod unusable;

use serde_json::Value;

use crate::{
    front::{Ask, EVERY_ASK, Front},
    log::Log,
    support::Answer,
};

/// Ids without a run of digits that could pass for a port.
const REQUEST_ID: &str = "6f1c2a3e-8d4b-4c55-9a57-0d0f4f1a2b3c";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const KEY: &str = "key-1";

/// What must be in no answer: where Order is, and what the operating system and the libraries say.
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

/// What the public is told of a failure: HTTP status, type, code and, of reasons, domain and whether to
/// come back soon.
#[derive(Debug, Clone, Copy)]
struct Told {
    http: u16,
    slug: &'static str,
    code: &'static str,
    reason: Option<&'static str>,
    retry_after: &'static str,
    retryable: bool,
}

const NOT_STARTED: Told = Told {
    http: 503,
    slug: "not-started",
    code: "UNAVAILABLE",
    reason: Some("NOT_STARTED"),
    retry_after: "1",
    retryable: true,
};
const OUTCOME_UNKNOWN: Told = Told {
    http: 504,
    slug: "outcome-unknown",
    code: "DEADLINE_EXCEEDED",
    reason: Some("OUTCOME_UNKNOWN"),
    retry_after: "",
    retryable: true,
};
const TIMED_OUT: Told = Told { slug: "deadline-exceeded", reason: None, ..OUTCOME_UNKNOWN };
const UNAVAILABLE: Told = Told { slug: "unavailable", reason: None, retry_after: "", ..NOT_STARTED };
const BAD_GATEWAY: Told =
    Told { http: 502, slug: "internal", code: "INTERNAL", reason: None, retry_after: "", retryable: true };

async fn ask(gateway: &Front, how: Ask) -> Answer {
    let headers = [("x-request-id", REQUEST_ID), ("traceparent", TRACEPARENT), ("idempotency-key", KEY)];
    gateway.ask(how, &headers).await
}

/// Asks, and holds the answer, and what was logged of it, against `told`. `failure` is what the log calls it.
async fn hold(gateway: &Front, log: &Log, how: Ask, told: Told, failure: &str) {
    log.lines();
    let answer = ask(gateway, how).await;
    holds(&answer, how, told);
    is_logged_once(&log.lines(), failure);
}

/// As [`hold`], a POST and both GETs.
async fn hold_every(gateway: &Front, log: &Log, [write, read]: [Told; 2], failure: &str) {
    for how in EVERY_ASK {
        hold(gateway, log, how, if how == Ask::Post { write } else { read }, failure).await;
    }
}

fn holds(answer: &Answer, how: Ask, told: Told) {
    let problem = answer.problem();
    let place = format!("{how:?}: {problem:#}");
    assert_eq!(answer.status.as_u16(), told.http, "{place}");
    assert_eq!(problem["type"], format!("/problems/{}", told.slug), "{place}");
    assert_eq!(problem["code"], told.code, "{place}");
    assert_eq!(problem["retryable"], told.retryable, "{place}");
    assert_eq!(problem.get("reason").and_then(Value::as_str), told.reason, "{place}");
    assert_eq!(problem.get("domain").and_then(Value::as_str), told.reason.map(|_| "gateway"), "{place}");
    assert_eq!(answer.header("retry-after"), told.retry_after, "{place}");
    assert_eq!(answer.header("idempotency-key"), if how == Ask::Post { KEY } else { "" }, "{place}");
    let shown = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
    for private in PRIVATE {
        assert!(!shown.contains(private), "{private:?} in {shown}");
    }
}

/// One line tells the cause, within the request that it belongs to.
fn is_logged_once(lines: &[String], failure: &str) {
    let causes: Vec<_> = lines.iter().filter(|line| !line.contains(" INFO ")).collect();
    assert_eq!(causes.len(), 1, "{lines:#?}");
    assert!(causes[0].contains(" WARN ") && causes[0].contains(&format!("failure={failure}")), "{causes:?}");
    assert!(causes[0].contains(REQUEST_ID), "{causes:?}");
}
