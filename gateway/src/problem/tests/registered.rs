//! Reasons: the table of outcomes, their metadata and headers; and the registry itself.

use serde_json::{Value, json};
use tonic::Code;

use super::{CODES, RequestFacts, error_info, retry_info, status, told, told_of};
use crate::problem::{
    example,
    registry::{GATEWAY_DOMAIN, Key, TYPES, by_code, by_reason, by_slug, code_name},
};

/// Reason, code, HTTP status, retryable, whether Retry-After is always there.
const OUTCOMES: [(&str, Code, u16, bool, bool); 8] = [
    ("PAYMENT_DECLINED", Code::InvalidArgument, 402, false, false),
    ("NOT_CHARGED", Code::Unavailable, 503, true, true),
    ("OUTCOME_UNKNOWN", Code::DeadlineExceeded, 504, true, false),
    ("IDEMPOTENCY_IN_PROGRESS", Code::Aborted, 409, true, true),
    ("IDEMPOTENCY_KEY_REUSED", Code::FailedPrecondition, 422, false, false),
    ("ORDER_VOIDED", Code::FailedPrecondition, 410, false, false),
    ("NOT_STARTED", Code::Unavailable, 503, true, true),
    ("NOT_STARTED", Code::ResourceExhausted, 429, true, true),
];

#[tokio::test]
async fn every_outcome_has_its_status_and_says_who_gives_the_reason() {
    for (reason, code, http, retryable, retry_after) in OUTCOMES {
        let seen = told_of(code, &[error_info("order", reason, &[])]).await;
        assert_eq!(seen.status.as_u16(), http, "{reason}");
        let slug = reason.to_lowercase().replace('_', "-");
        assert_eq!(seen.body["type"], json!(format!("/problems/{slug}")));
        assert_eq!(seen.body["reason"], json!(reason));
        assert_eq!(seen.body["domain"], "order");
        assert_eq!(seen.body["code"], json!(code_name(code)));
        assert_eq!(seen.body["retryable"], json!(retryable), "{reason}");
        assert_eq!(seen.header("retry-after"), retry_after.then_some("1"), "{reason}");
        assert_eq!(seen.body.get("retry_after_ms"), retry_after.then_some(&json!(1000)), "{reason}");
    }
}

#[tokio::test]
async fn the_reason_decides_whatever_the_code_and_the_code_is_told_as_it_came() {
    for code in CODES {
        let seen = told_of(code, &[error_info("order", "ORDER_VOIDED", &[])]).await;
        assert_eq!((seen.status.as_u16(), &seen.body["code"]), (410, &json!(code_name(code))));
        let refused = told_of(code, &[error_info("order", "NOT_STARTED", &[])]).await;
        let expected = if code == Code::ResourceExhausted { 429 } else { 503 };
        assert_eq!(refused.status.as_u16(), expected, "{code:?}");
    }
}

#[tokio::test]
async fn a_decline_names_the_order_and_why() {
    let metadata = [("order_id", "115458048000000"), ("decline_reason", "INSUFFICIENT_BALANCE")];
    let details = [error_info("order", "PAYMENT_DECLINED", &metadata)];
    let declined = status(Code::InvalidArgument, "order creation failed", &details);
    let seen = told(&declined, &RequestFacts { write: true, ..RequestFacts::default() }).await;
    assert_eq!(seen.body["detail"], "order creation failed");
    assert_eq!(seen.body["order_id"], json!(115_458_048_000_000_i64));
    assert_eq!(
        seen.body["metadata"],
        json!({"decline_reason": "INSUFFICIENT_BALANCE", "order_id": "115458048000000"})
    );
    assert_eq!(seen.header("idempotent-replayed"), None);
}

#[tokio::test]
async fn a_replayed_decline_is_marked() {
    let replayed = |value| [error_info("order", "PAYMENT_DECLINED", &[("replayed", value)])];
    let seen = told_of(Code::InvalidArgument, &replayed("true")).await;
    assert_eq!((seen.header("idempotent-replayed"), seen.body.get("metadata")), (Some("true"), None));
    let seen = told_of(Code::InvalidArgument, &replayed("false")).await;
    assert_eq!(seen.header("idempotent-replayed"), None);
}

#[tokio::test]
async fn the_order_is_the_backend_s_else_the_one_that_was_asked_for_and_never_one_that_cannot_be() {
    let asked = RequestFacts { order_id: Some(7), ..RequestFacts::default() };
    for (text, expected) in [
        ("8", json!(8)),
        ("9007199254740991", json!(9_007_199_254_740_991_i64)),
        ("9007199254740992", json!(7)),
        ("0", json!(7)),
        ("-1", json!(7)),
        ("8 ", json!(7)),
        ("", json!(7)),
    ] {
        let details = [error_info("order", "OUTCOME_UNKNOWN", &[("order_id", text)])];
        let seen = told(&status(Code::DeadlineExceeded, "", &details), &asked).await;
        assert_eq!(seen.body["order_id"], expected, "{text}");
    }
    let seen = told(&status(Code::NotFound, "no such order", &[]), &asked).await;
    assert_eq!(seen.body["order_id"], json!(7));
}

#[tokio::test]
async fn a_delay_of_the_backend_s_own_replaces_the_default() {
    let details = [retry_info(3, 1), error_info("order", "NOT_CHARGED", &[])];
    let seen = told_of(Code::Unavailable, &details).await;
    assert_eq!((seen.header("retry-after"), &seen.body["retry_after_ms"]), (Some("4"), &json!(3001)));
}

#[tokio::test]
async fn a_reason_that_nobody_registered_is_told_and_decides_nothing() {
    // No backend speaks for the gateway, and Payment does not speak to the public.
    for domain in ["gateway", "payment", "", "elsewhere"] {
        let details = [error_info(domain, "NOT_STARTED", &[("order_id", "8")])];
        let seen = told_of(Code::FailedPrecondition, &details).await;
        assert_eq!(seen.status.as_u16(), 400);
        assert_eq!(seen.body["type"], "/problems/failed-precondition");
        assert_eq!(seen.body["reason"], "NOT_STARTED");
        assert_eq!(seen.body.get("domain").and_then(Value::as_str).unwrap_or(""), domain);
        assert!(seen.body.get("metadata").is_none() && seen.body.get("order_id").is_none());
    }
}

#[tokio::test]
async fn of_two_reasons_the_registered_one_decides() {
    let (foreign, ours) = (error_info("a", "B", &[]), error_info("order", "ORDER_VOIDED", &[]));
    for details in [[foreign.clone(), ours.clone()], [ours, foreign]] {
        let seen = told_of(Code::FailedPrecondition, &details).await;
        assert_eq!((seen.status.as_u16(), &seen.body["reason"]), (410, &json!("ORDER_VOIDED")));
    }
}

#[test]
fn every_code_and_reason_has_one_type_named_after_it() {
    for code in CODES {
        assert_eq!(by_code(code).key, Key::Code(code));
    }
    for kind in TYPES {
        let name = match kind.key {
            Key::Reason { reason, domain } => {
                let found = by_reason(domain, reason).map(|found| found.slug);
                // No backend speaks for the gateway.
                assert_eq!(found, (domain != GATEWAY_DOMAIN).then_some(kind.slug));
                reason
            }
            Key::Code(code) => code_name(code),
        };
        assert_eq!(kind.slug, name.to_lowercase().replace('_', "-"));
        assert_eq!(by_slug(kind.slug).unwrap().title, kind.title);
        assert_eq!(TYPES.iter().filter(|other| other.title == kind.title).count(), 1, "{}", kind.title);
    }
    assert_eq!(TYPES.len(), CODES.len() + 8);
}

#[test]
fn every_type_says_what_happened_and_what_to_do_and_shows_examples() {
    for kind in TYPES {
        assert!(!kind.answers.is_empty() && !kind.what_happened.is_empty() && !kind.what_to_do.is_empty());
        for text in [kind.what_happened, kind.what_to_do] {
            assert!(!text.contains("  ") && text.ends_with('.'), "{text}");
            assert!(text.matches('`').count() % 2 == 0, "{text}");
        }
        for answer in kind.answers {
            let shown = serde_json::to_value(example(kind, answer.status)).unwrap();
            assert_eq!(shown["status"], json!(answer.status.as_u16()));
            assert_eq!(shown["type"], json!(format!("/problems/{}", kind.slug)));
            assert_eq!(shown.get("reason").and_then(Value::as_str), kind.reason());
            assert_eq!(shown.get("retry_after_ms").is_some(), kind.retry_after);
            assert_eq!(
                shown["instance"],
                json!(format!("urn:uuid:{}", shown["request_id"].as_str().unwrap()))
            );
        }
        for (key, _) in kind.example.metadata {
            assert!(kind.metadata.contains(key), "{}: {key}", kind.slug);
        }
    }
}
