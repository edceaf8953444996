//! Registered reasons: the table of outcomes, their metadata and headers, and the registry itself.

use serde_json::{Value, json};
use tonic::Code;

use super::{
    CODES, RequestFacts, bad_request, codes::expected, error_info, render_details, render_status, requests,
    retry_info, status,
};
use crate::problem::{
    example,
    registry::{GATEWAY_DOMAIN, TYPES, TypeKey, by_code, by_reason, by_slug, code_name},
};

/// A row of the table of outcomes.
pub(super) struct Outcome {
    pub(super) reason: &'static str,
    code: Code,
    http: u16,
    shows_message: bool,
    retryable: bool,
    /// Whether the response has Retry-After although Order sent no delay.
    retry_after: bool,
}

const fn outcome(
    reason: &'static str,
    code: Code,
    http: u16,
    [shows_message, retryable, retry_after]: [bool; 3],
) -> Outcome {
    Outcome { reason, code, http, shows_message, retryable, retry_after }
}

pub(super) const OUTCOMES: [Outcome; 9] = [
    outcome("PAYMENT_DECLINED", Code::InvalidArgument, 402, [true, false, false]),
    outcome("NOT_CHARGED", Code::Unavailable, 503, [false, true, true]),
    outcome("OUTCOME_UNKNOWN", Code::DeadlineExceeded, 504, [false, true, true]),
    outcome("IDEMPOTENCY_IN_PROGRESS", Code::Aborted, 409, [true, true, true]),
    outcome("IDEMPOTENCY_KEY_REUSED", Code::FailedPrecondition, 422, [true, false, false]),
    outcome("ORDER_VOIDED", Code::FailedPrecondition, 410, [true, false, false]),
    outcome("NOT_STARTED", Code::Unavailable, 503, [false, true, true]),
    outcome("NOT_STARTED", Code::ResourceExhausted, 429, [true, true, true]),
    outcome("NOT_STORED", Code::Internal, 500, [false, false, false]),
];

impl Outcome {
    fn slug(&self) -> String {
        self.reason.to_lowercase().replace('_', "-")
    }
}

#[tokio::test]
async fn every_outcome_is_rendered_as_the_table_has_it() {
    for row in OUTCOMES {
        let metadata: &[_] =
            if matches!(row.reason, "NOT_STARTED" | "NOT_STORED") { &[] } else { &[("order_id", "8")] };
        let info = error_info("order", row.reason, metadata);
        let details = [info, bad_request(&[("payment", "the cause", "")])];
        for request in requests() {
            let rendered = render_status(&status(row.code, "the message", &details), &request).await;
            let place = format!("{} with {:?}", row.reason, row.code);
            assert_eq!(rendered.status.as_u16(), row.http, "{place}");
            assert_eq!(rendered.body["type"], json!(format!("/problems/{}", row.slug())), "{place}");
            assert_eq!(rendered.body["code"], code_name(row.code), "{place}");
            assert_eq!(rendered.body["retryable"], row.retryable, "{place}");
            assert_eq!(rendered.body["detail"] == "the message", row.shows_message, "{place}");
            let mut members = json!({
                "errors": [{ "field": "payment", "detail": "the cause" }],
                "reason": row.reason,
                "domain": "order",
            });
            if let Some(id) = (!metadata.is_empty()).then_some(8).or(request.order_id) {
                members["order_id"] = json!(id);
            }
            if !metadata.is_empty() {
                members["metadata"] = json!({ "order_id": "8" });
            }
            if row.retry_after {
                members["retry_after_ms"] = json!(1000);
            }
            assert_eq!(rendered.further_members(), members, "{place}");
            let headers: &[_] = if row.retry_after { &[("retry-after", "1")] } else { &[] };
            assert_eq!(rendered.further_headers(), headers, "{place}");
        }
    }
}

#[tokio::test]
async fn the_reason_decides_the_status_and_the_code_whether_the_message_is_shown() {
    for row in &OUTCOMES[..7] {
        for code in CODES {
            let rendered = render_details(code, &[error_info("order", row.reason, &[])]).await;
            let (name, _, _, shows_message, _) = expected(code);
            let place = format!("{} with {code:?}", row.reason);
            let limited = row.reason == "NOT_STARTED" && code == Code::ResourceExhausted;
            assert_eq!(rendered.status.as_u16(), if limited { 429 } else { row.http }, "{place}");
            assert_eq!(rendered.body["type"], json!(format!("/problems/{}", row.slug())), "{place}");
            assert_eq!(rendered.body["code"], json!(name), "{place}");
            assert_eq!(rendered.body["detail"] == "the message", shows_message, "{place}");
        }
    }
}

/// A call that is sent again for its reason must not be reported as one that may have run.
#[tokio::test]
async fn not_started_is_found_by_its_reason_whatever_the_domain() {
    for domain in ["order", "payment", "elsewhere", "gateway", ""] {
        let info = error_info(domain, "NOT_STARTED", &[("order_id", "8")]);
        for code in CODES {
            for request in requests() {
                let failed = status(code, "the message", std::slice::from_ref(&info));
                let rendered = render_status(&failed, &request).await;
                let place = format!("{domain} with {code:?}");
                let limited = code == Code::ResourceExhausted;
                assert_eq!(rendered.status.as_u16(), if limited { 429 } else { 503 }, "{place}");
                assert_eq!(rendered.body["type"], "/problems/not-started", "{place}");
                assert_eq!(rendered.header("retry-after"), Some("1"), "{place}");
                assert_eq!(rendered.body["metadata"], json!(null), "{place}");
            }
        }
    }
    assert_eq!(by_reason("elsewhere", "NOT_CHARGED").map(|found| found.slug), None);
}

#[tokio::test]
async fn a_delay_of_order_replaces_the_default() {
    for row in OUTCOMES {
        let details = [retry_info(3, 1), error_info("order", row.reason, &[])];
        for request in requests() {
            let rendered = render_status(&status(row.code, "no", &details), &request).await;
            let delay = (rendered.header("retry-after"), &rendered.body["retry_after_ms"]);
            assert_eq!(delay, (Some("4"), &json!(3001)), "{}", row.reason);
        }
    }
}

#[tokio::test]
async fn a_decline_has_its_order_and_cause_and_a_repeated_one_is_marked() {
    let known = [("order_id", "115458048000000"), ("decline_reason", "INSUFFICIENT_BALANCE")];
    for (replayed, header) in
        [(None, None), (Some("true"), Some("true")), (Some("false"), None), (Some("canary"), None)]
    {
        let metadata: Vec<_> = known.into_iter().chain(replayed.map(|value| ("replayed", value))).collect();
        let details = [
            bad_request(&[("payment", "insufficient balance", "")]),
            error_info("order", "PAYMENT_DECLINED", &metadata),
        ];
        let declined = status(Code::InvalidArgument, "order creation failed", &details);
        let request = RequestFacts { write: true, ..RequestFacts::default() };
        let rendered = render_status(&declined, &request).await;
        assert_eq!((rendered.status.as_u16(), rendered.header("idempotent-replayed")), (402, header));
        assert_eq!(rendered.body["detail"], "order creation failed");
        assert_eq!(
            rendered.further_members(),
            json!({
                "order_id": 115_458_048_000_000_i64,
                "reason": "PAYMENT_DECLINED",
                "domain": "order",
                "metadata": { "order_id": "115458048000000", "decline_reason": "INSUFFICIENT_BALANCE" },
                "errors": [{ "field": "payment", "detail": "insufficient balance" }],
            })
        );
        assert!(!rendered.everything().contains("canary"));
    }
}

#[tokio::test]
async fn only_a_decline_is_marked_as_repeated_by_its_metadata() {
    for row in &OUTCOMES[1..] {
        let rendered =
            render_details(row.code, &[error_info("order", row.reason, &[("replayed", "true")])]).await;
        assert!(!rendered.everything().contains("replayed"), "{}", rendered.everything());
    }
}

#[tokio::test]
async fn the_order_id_is_the_backend_s_if_valid_else_the_requested_one() {
    let named = RequestFacts { order_id: Some(7), ..RequestFacts::default() };
    for (text, expected) in [
        ("8", Some(8)),
        ("9007199254740991", Some((1_i64 << 53) - 1)),
        ("9007199254740992", None),
        ("99999999999999999999", None),
        ("0", None),
        ("-1", None),
        ("8 ", None),
        ("8.0", None),
        ("canary", None),
        ("", None),
    ] {
        let details = [error_info("order", "OUTCOME_UNKNOWN", &[("order_id", text)])];
        let failed = status(Code::DeadlineExceeded, "", &details);
        let rendered = render_status(&failed, &named).await;
        assert_eq!(rendered.body["order_id"], json!(expected.unwrap_or(7)), "{text}");
        let rendered = render_status(&failed, &RequestFacts::default()).await;
        assert_eq!(rendered.body.get("order_id").and_then(Value::as_i64), expected, "{text}");
    }
    let rendered = render_status(&status(Code::NotFound, "no such order", &[]), &named).await;
    assert_eq!(rendered.body["order_id"], json!(7));
}

#[tokio::test]
async fn of_two_reasons_the_registered_one_decides() {
    let (foreign, ours) = (error_info("a", "B", &[]), error_info("order", "ORDER_VOIDED", &[]));
    for details in [[foreign.clone(), ours.clone()], [ours, foreign]] {
        let rendered = render_details(Code::FailedPrecondition, &details).await;
        assert_eq!((rendered.status.as_u16(), &rendered.body["reason"]), (410, &json!("ORDER_VOIDED")));
    }
}

#[test]
fn every_code_and_reason_has_one_type_named_after_it() {
    for code in CODES {
        assert_eq!(by_code(code).key, TypeKey::Code(code));
    }
    for kind in TYPES {
        let name = match kind.key {
            TypeKey::Reason { reason, domain } => {
                let found = by_reason(domain, reason).map(|found| found.slug);
                // No backend may use the gateway's domain.
                assert_eq!(found, (domain != GATEWAY_DOMAIN).then_some(kind.slug));
                reason
            }
            TypeKey::Code(code) => code_name(code),
        };
        assert_eq!(kind.slug, name.to_lowercase().replace('_', "-"));
        assert_eq!(by_slug(kind.slug).unwrap().title, kind.title);
        assert_eq!(TYPES.iter().filter(|other| other.title == kind.title).count(), 1, "{}", kind.title);
    }
    let reasons = TYPES.iter().filter(|kind| kind.reason().is_some()).count();
    assert_eq!((TYPES.len(), reasons), (CODES.len() + 9, 9));
}

#[test]
fn every_type_explains_itself_and_has_examples() {
    for kind in TYPES {
        assert!(!kind.statuses.is_empty() && !kind.what_happened.is_empty() && !kind.what_to_do.is_empty());
        for text in [kind.what_happened, kind.what_to_do] {
            assert!(!text.contains("  ") && text.ends_with('.'), "{text}");
            assert!(text.matches('`').count() % 2 == 0, "{text}");
        }
        for status in kind.statuses {
            let example_body = serde_json::to_value(example(kind, status.http)).unwrap();
            assert_eq!(example_body["status"], json!(status.http.as_u16()));
            assert_eq!(example_body["type"], json!(format!("/problems/{}", kind.slug)));
            assert_eq!(example_body.get("reason").and_then(Value::as_str), kind.reason());
            assert_eq!(example_body.get("retry_after_ms").is_some(), status.retry_after);
            assert_eq!(
                example_body["instance"],
                json!(format!("urn:uuid:{}", example_body["request_id"].as_str().unwrap()))
            );
        }
        for (key, _) in kind.example.metadata {
            assert!(kind.metadata.contains(key), "{}: {key}", kind.slug);
        }
    }
}
