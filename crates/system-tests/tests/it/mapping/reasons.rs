//! The reasons that Order gives: the table of outcomes, status by status and header by header.

use serde_json::{Value, json};
use tonic::Code;

use super::{
    ALL_OPERATIONS, MappingFixture, Operation,
    codes::CODES,
    fixtures::{bad_request, error_info, retry_info},
    status,
};

/// A row of the table of outcomes.
struct Outcome {
    reason: &'static str,
    code: Code,
    name: &'static str,
    http: u16,
    shows_message: bool,
    retryable: bool,
    /// Whether the response says when to come back though Order did not.
    retry_after: bool,
}

const fn outcome(
    reason: &'static str,
    (code, name): (Code, &'static str),
    http: u16,
    [shows_message, retryable, retry_after]: [bool; 3],
) -> Outcome {
    Outcome { reason, code, name, http, shows_message, retryable, retry_after }
}

const UNAVAILABLE: (Code, &str) = (Code::Unavailable, "UNAVAILABLE");
const FAILED_PRECONDITION: (Code, &str) = (Code::FailedPrecondition, "FAILED_PRECONDITION");

const OUTCOMES: [Outcome; 8] = [
    outcome("PAYMENT_DECLINED", (Code::InvalidArgument, "INVALID_ARGUMENT"), 402, [true, false, false]),
    outcome("NOT_CHARGED", UNAVAILABLE, 503, [false, true, true]),
    outcome("OUTCOME_UNKNOWN", (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"), 504, [false, true, false]),
    outcome("IDEMPOTENCY_IN_PROGRESS", (Code::Aborted, "ABORTED"), 409, [true, true, true]),
    outcome("IDEMPOTENCY_KEY_REUSED", FAILED_PRECONDITION, 422, [true, false, false]),
    outcome("ORDER_VOIDED", FAILED_PRECONDITION, 410, [true, false, false]),
    outcome("NOT_STARTED", UNAVAILABLE, 503, [false, true, true]),
    outcome("NOT_STARTED", (Code::ResourceExhausted, "RESOURCE_EXHAUSTED"), 429, [true, true, true]),
];

impl Outcome {
    fn slug(&self) -> String {
        self.reason.to_lowercase().replace('_', "-")
    }
}

#[tokio::test]
async fn every_outcome_is_told_as_the_table_has_it() {
    let fixture = MappingFixture::start().await;
    for row in OUTCOMES {
        let metadata: &[_] = if row.reason == "NOT_STARTED" { &[] } else { &[("order_id", "8")] };
        let info = error_info("order", row.reason, metadata);
        let details = [info, bad_request(&[("payment", "what became of it", "")])];
        let response = fixture.told(Operation::Create, &status(row.code, "what Order said", &details)).await;
        let problem = response.problem();
        let place = format!("{} with {:?}", row.reason, row.code);
        assert_eq!(response.status.as_u16(), row.http, "{place}");
        assert_eq!(problem["type"], format!("/problems/{}", row.slug()), "{place}");
        assert_eq!(
            (&problem["reason"], &problem["domain"]),
            (&json!(row.reason), &json!("order")),
            "{place}"
        );
        assert_eq!(problem["code"], row.name, "{place}");
        assert_eq!(problem["retryable"], row.retryable, "{place}");
        assert_eq!(problem["detail"] == "what Order said", row.shows_message, "{place}");
        assert_eq!(
            problem["errors"],
            json!([{ "field": "payment", "detail": "what became of it" }]),
            "{place}"
        );
        let order_id = problem.get("order_id").and_then(Value::as_i64);
        assert_eq!(order_id, (!metadata.is_empty()).then_some(8), "{place}");
        let retry_after: &[_] = if row.retry_after { &[("retry-after", "1")] } else { &[] };
        assert_eq!(response.further_headers(), retry_after, "{place}");
        assert_eq!(problem.get("retry_after_ms"), row.retry_after.then_some(&json!(1000)), "{place}");
    }
}

#[tokio::test]
async fn a_delay_of_order_s_own_replaces_the_usual_one() {
    let fixture = MappingFixture::start().await;
    for row in OUTCOMES {
        let details = [error_info("order", row.reason, &[]), retry_info(3, 1)];
        let response = fixture.told(Operation::Create, &status(row.code, "no", &details)).await;
        assert_eq!(response.header("retry-after"), "4", "{}", row.reason);
        assert_eq!(response.problem()["retry_after_ms"], 3001, "{}", row.reason);
    }
}

#[tokio::test]
async fn the_reason_decides_the_status_and_the_code_whether_the_message_is_shown() {
    let fixture = MappingFixture::start().await;
    for row in &OUTCOMES[..7] {
        for told in CODES {
            let details = [error_info("order", row.reason, &[])];
            let response =
                fixture.told(Operation::Create, &status(told.code, "what Order said", &details)).await;
            let problem = response.problem();
            let place = format!("{} with {:?}", row.reason, told.code);
            let limited = row.reason == "NOT_STARTED" && told.code == Code::ResourceExhausted;
            assert_eq!(response.status.as_u16(), if limited { 429 } else { row.http }, "{place}");
            assert_eq!(problem["type"], format!("/problems/{}", row.slug()), "{place}");
            assert_eq!(problem["code"], told.name, "{place}");
            assert_eq!(problem["detail"] == "what Order said", told.shows_message, "{place}");
        }
    }
}

#[tokio::test]
async fn a_refusal_before_anything_was_done_is_told_on_every_route() {
    let fixture = MappingFixture::start().await;
    for (code, http) in [(Code::Unavailable, 503), (Code::ResourceExhausted, 429)] {
        for operation in ALL_OPERATIONS {
            let refused = status(code, "busy", &[error_info("order", "NOT_STARTED", &[]), retry_info(2, 0)]);
            let response = fixture.told(operation, &refused).await;
            assert_eq!(
                (response.status.as_u16(), response.header("retry-after")),
                (http, "2"),
                "{operation:?}"
            );
            assert_eq!(response.problem()["reason"], "NOT_STARTED", "{operation:?}");
        }
    }
}

#[tokio::test]
async fn a_decline_names_the_order_and_why_and_a_replayed_one_is_marked() {
    let fixture = MappingFixture::start().await;
    let known = [("order_id", "8"), ("decline_reason", "INSUFFICIENT_BALANCE")];
    for (replayed, header) in [(None, ""), (Some("true"), "true"), (Some("false"), ""), (Some("canary"), "")]
    {
        let metadata: Vec<_> = known.into_iter().chain(replayed.map(|value| ("replayed", value))).collect();
        let details = [
            bad_request(&[("payment", "insufficient balance", "")]),
            error_info("order", "PAYMENT_DECLINED", &metadata),
        ];
        let declined = status(Code::InvalidArgument, "order creation failed", &details);
        let response = fixture.told(Operation::Create, &declined).await;
        assert_eq!((response.status.as_u16(), response.header("idempotent-replayed")), (402, header));
        assert_eq!(
            response.further_members(),
            json!({
                "order_id": 8, "domain": "order", "reason": "PAYMENT_DECLINED",
                "metadata": { "order_id": "8", "decline_reason": "INSUFFICIENT_BALANCE" },
                "errors": [{ "field": "payment", "detail": "insufficient balance" }],
            })
        );
        assert!(!response.shown().contains("canary"));
    }
}

#[tokio::test]
async fn only_a_decline_is_marked_as_a_replay_by_its_metadata() {
    let fixture = MappingFixture::start().await;
    for row in &OUTCOMES[1..] {
        let details = [error_info("order", row.reason, &[("replayed", "true")])];
        let response = fixture.told(Operation::Create, &status(row.code, "no", &details)).await;
        assert!(!response.shown().contains("replayed"), "{}: {}", row.reason, response.shown());
    }
}

#[tokio::test]
async fn an_order_id_that_cannot_be_one_is_left_out() {
    let fixture = MappingFixture::start().await;
    for text in ["0", "-1", "9007199254740992", "99999999999999999999", "8.0", "canary", ""] {
        let details = [error_info("order", "OUTCOME_UNKNOWN", &[("order_id", text)])];
        let problem =
            fixture.told(Operation::Create, &status(Code::DeadlineExceeded, "", &details)).await.problem();
        assert!(problem.get("order_id").is_none(), "{text:?}");
    }
}

#[tokio::test]
async fn of_two_reasons_the_registered_one_decides() {
    let fixture = MappingFixture::start().await;
    let (ours, foreign) = (error_info("order", "ORDER_VOIDED", &[]), error_info("elsewhere", "OTHER", &[]));
    for details in [[ours.clone(), foreign.clone()], [foreign, ours]] {
        let response =
            fixture.told(Operation::Create, &status(Code::FailedPrecondition, "given up", &details)).await;
        assert_eq!((response.status.as_u16(), &response.problem()["reason"]), (410, &json!("ORDER_VOIDED")));
    }
}
