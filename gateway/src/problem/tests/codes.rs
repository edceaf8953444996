//! Statuses without details: each code's HTTP status, type and text.

use serde_json::json;
use tonic::{Code, Status};

use super::{ANSWERED, CODES, RequestFacts, see, status, told, told_of};
use crate::problem::{from_status, registry::code_name};

/// By code: HTTP status, slug, whether the message is shown, `retryable`.
fn expected(code: Code) -> (u16, &'static str, bool, bool) {
    match code {
        Code::Ok => unreachable!("no failure"),
        Code::Cancelled => (503, "cancelled", false, true),
        Code::Unknown => (500, "unknown", false, true),
        Code::InvalidArgument => (400, "invalid-argument", true, false),
        Code::DeadlineExceeded => (504, "deadline-exceeded", false, true),
        Code::NotFound => (404, "not-found", true, false),
        Code::AlreadyExists => (409, "already-exists", true, false),
        Code::PermissionDenied => (403, "permission-denied", true, false),
        Code::ResourceExhausted => (429, "resource-exhausted", true, true),
        Code::FailedPrecondition => (400, "failed-precondition", true, false),
        Code::Aborted => (409, "aborted", true, true),
        Code::OutOfRange => (400, "out-of-range", true, false),
        Code::Unimplemented => (501, "unimplemented", true, false),
        Code::Internal => (500, "internal", false, true),
        Code::Unavailable => (503, "unavailable", false, true),
        Code::DataLoss => (500, "data-loss", false, false),
        Code::Unauthenticated => (401, "unauthenticated", true, false),
    }
}

#[tokio::test]
async fn every_code_has_its_status_type_and_name() {
    for code in CODES {
        let (http, slug, shown, retryable) = expected(code);
        for write in [false, true] {
            let asked = RequestFacts { write, ..RequestFacts::default() };
            let seen = told(&status(code, "canary of a message", &[]), &asked).await;
            assert_eq!(seen.status.as_u16(), http, "{code:?}");
            assert_eq!(seen.body["status"], json!(http));
            assert_eq!(seen.body["type"], json!(format!("/problems/{slug}")));
            assert_eq!(seen.body["code"], json!(code_name(code)));
            assert_eq!(seen.body["retryable"], json!(retryable), "{code:?}");
            assert_eq!(seen.header("content-type"), Some("application/problem+json"));
            assert_eq!(seen.text.contains("canary"), shown, "{code:?}: {}", seen.text);
            assert!(!seen.body["detail"].as_str().unwrap().is_empty());
            for absent in ["reason", "domain", "metadata", "errors", "order_id", "retry_after_ms", "links"] {
                assert!(seen.body.get(absent).is_none(), "{code:?} has {absent}");
            }
        }
    }
}

#[tokio::test]
async fn the_members_stand_in_a_fixed_order() {
    let seen = told_of(Code::NotFound, &[]).await;
    let places: Vec<_> =
        ["type", "title", "status", "detail", "instance", "code", "request_id", "trace_id", "retryable"]
            .iter()
            .map(|member| seen.text.find(&format!("\"{member}\":")).unwrap())
            .collect();
    assert!(places.is_sorted(), "{}", seen.text);
    assert_eq!(seen.body["detail"], "the message");
}

#[tokio::test]
async fn a_401_has_a_constant_challenge_whatever_the_backend_sent() {
    let mut unauthenticated = status(Code::Unauthenticated, "no", &[]);
    unauthenticated.metadata_mut().insert("www-authenticate", "Basic realm=\"canary\"".parse().unwrap());
    let seen = told(&unauthenticated, &RequestFacts::default()).await;
    assert_eq!(seen.header("www-authenticate"), Some("Bearer"));
    assert!(!seen.text.contains("canary"));
}

#[tokio::test]
async fn an_empty_message_is_replaced_by_the_type_s_own_words() {
    let seen = told(&status(Code::NotFound, "", &[]), &RequestFacts::default()).await;
    assert_eq!(seen.body["detail"], "There is nothing at this address.");
}

#[tokio::test]
async fn a_failure_that_claims_to_be_ok_is_an_unusable_answer() {
    let mut ok = Status::new(Code::Ok, "canary");
    ok.metadata_mut().insert(ANSWERED, "1".parse().unwrap());
    let read = see(from_status(&ok, &RequestFacts::default())).await;
    let write = see(from_status(&ok, &RequestFacts { write: true, ..RequestFacts::default() })).await;
    assert_eq!((read.status.as_u16(), read.body["code"].as_str()), (502, Some("INTERNAL")));
    assert_eq!((write.status.as_u16(), write.body["reason"].as_str()), (504, Some("OUTCOME_UNKNOWN")));
    assert!(!read.text.contains("canary") && !write.text.contains("canary"));
}
