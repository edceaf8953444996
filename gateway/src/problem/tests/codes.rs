//! Statuses without details: the HTTP status, type and text of each code.

use serde_json::{Value, json};
use tonic::{Code, Status};

use super::{
    ANSWERED, CODES, RequestFacts, render, render_details, render_status, requests, status, with_order_id,
};
use crate::problem::{from_status, registry::by_code};

/// By code: its name, HTTP status, slug, whether the message is shown, `retryable`.
pub(super) fn expected(code: Code) -> (&'static str, u16, &'static str, bool, bool) {
    match code {
        Code::Ok => unreachable!("no failure"),
        Code::Cancelled => ("CANCELLED", 503, "cancelled", false, true),
        Code::Unknown => ("UNKNOWN", 500, "unknown", false, true),
        Code::InvalidArgument => ("INVALID_ARGUMENT", 400, "invalid-argument", true, false),
        Code::DeadlineExceeded => ("DEADLINE_EXCEEDED", 504, "deadline-exceeded", false, true),
        Code::NotFound => ("NOT_FOUND", 404, "not-found", true, false),
        Code::AlreadyExists => ("ALREADY_EXISTS", 409, "already-exists", true, false),
        Code::PermissionDenied => ("PERMISSION_DENIED", 403, "permission-denied", true, false),
        Code::ResourceExhausted => ("RESOURCE_EXHAUSTED", 429, "resource-exhausted", true, true),
        Code::FailedPrecondition => ("FAILED_PRECONDITION", 400, "failed-precondition", true, false),
        Code::Aborted => ("ABORTED", 409, "aborted", true, true),
        Code::OutOfRange => ("OUT_OF_RANGE", 400, "out-of-range", true, false),
        Code::Unimplemented => ("UNIMPLEMENTED", 501, "unimplemented", true, false),
        Code::Internal => ("INTERNAL", 500, "internal", false, true),
        Code::Unavailable => ("UNAVAILABLE", 503, "unavailable", false, true),
        Code::DataLoss => ("DATA_LOSS", 500, "data-loss", false, false),
        Code::Unauthenticated => ("UNAUTHENTICATED", 401, "unauthenticated", true, false),
    }
}

/// `members` with the delay that every response to `code` has, unless they have one.
pub(super) fn with_delay_ms(code: Code, mut members: Value) -> Value {
    if code == Code::DeadlineExceeded && members.get("retry_after_ms").is_none() {
        members["retry_after_ms"] = json!(1000);
    }
    members
}

/// The header of [`with_delay_ms`].
pub(super) fn with_delay<'a>(code: Code, headers: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = headers.to_vec();
    if code == Code::DeadlineExceeded && headers.iter().all(|(name, _)| *name != "retry-after") {
        all.push(("retry-after", "1"));
        all.sort_unstable();
    }
    all
}

#[tokio::test]
async fn every_code_has_its_status_type_name_and_text_on_every_request() {
    for code in CODES {
        let (name, http, slug, shown, retryable) = expected(code);
        for request in requests() {
            let rendered = render_status(&status(code, "canary of a message", &[]), &request).await;
            assert_eq!(rendered.status.as_u16(), http, "{code:?}");
            assert_eq!(rendered.body["status"], json!(http));
            assert_eq!(rendered.body["type"], json!(format!("/problems/{slug}")));
            assert_eq!(rendered.body["title"], by_code(code).title);
            assert_eq!(rendered.body["code"], json!(name));
            assert_eq!(rendered.body["retryable"], json!(retryable), "{code:?}");
            assert_eq!(rendered.header("content-type"), Some("application/problem+json"));
            assert_eq!(rendered.body["detail"] == "canary of a message", shown, "{code:?}");
            assert_eq!(rendered.text.contains("canary"), shown, "{code:?}: {}", rendered.text);
            let members = with_order_id(&request, with_delay_ms(code, json!({})));
            assert_eq!(rendered.further_members(), members, "{code:?}");
            assert_eq!(rendered.further_headers(), with_delay(code, &[]), "{code:?}");
        }
    }
}

#[tokio::test]
async fn a_masked_or_empty_message_is_replaced_by_the_constant_of_the_type() {
    for code in CODES {
        let constant = by_code(code).for_code(code).detail;
        assert!(!constant.is_empty());
        for message in ["", "db7.internal: disk full"] {
            let rendered = render_status(&status(code, message, &[]), &RequestFacts::default()).await;
            let shown = !message.is_empty() && expected(code).3;
            assert_eq!(rendered.body["detail"], if shown { message } else { constant }, "{code:?}");
        }
    }
    let rendered = render_status(&status(Code::NotFound, "", &[]), &RequestFacts::default()).await;
    assert_eq!(rendered.body["detail"], "Nothing exists at this address.");
}

#[tokio::test]
async fn members_have_a_fixed_order_and_the_body_ends_with_a_newline() {
    let rendered = render_details(Code::NotFound, &[]).await;
    let offsets: Vec<_> =
        super::MEMBERS.iter().map(|member| rendered.text.find(&format!("\"{member}\":")).unwrap()).collect();
    assert!(offsets.is_sorted(), "{}", rendered.text);
    assert_eq!(rendered.body["detail"], "the message");
    assert!(rendered.text.ends_with("}\n") && rendered.text.matches('\n').count() == 1, "{}", rendered.text);
}

#[tokio::test]
async fn only_a_401_has_a_challenge_and_it_is_constant() {
    for code in CODES {
        let mut failed = status(code, "no", &[]);
        failed.metadata_mut().insert("www-authenticate", "Basic realm=\"canary\"".parse().unwrap());
        let rendered = render_status(&failed, &RequestFacts::default()).await;
        let challenge = (code == Code::Unauthenticated).then_some("Bearer realm=\"orders\"");
        assert_eq!(rendered.header("www-authenticate"), challenge, "{code:?}");
        assert!(!rendered.everything().contains("canary"));
    }
}

#[tokio::test]
async fn a_failure_with_code_ok_is_an_unusable_response() {
    let mut ok = Status::new(Code::Ok, "canary");
    ok.metadata_mut().insert(ANSWERED, "1".parse().unwrap());
    let read = render(from_status(&ok, &RequestFacts::default())).await;
    let write = render(from_status(&ok, &RequestFacts { write: true, ..RequestFacts::default() })).await;
    assert_eq!((read.status.as_u16(), read.body["code"].as_str()), (502, Some("INTERNAL")));
    assert_eq!((write.status.as_u16(), write.body["reason"].as_str()), (504, Some("OUTCOME_UNKNOWN")));
    assert!(!read.text.contains("canary") && !write.text.contains("canary"));
}
