//! Details that no honest backend sends: malformed, undecodable, too many, too long. There is an answer all
//! the same, and what is sound in them is in it.

use prost::Message;
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::pb;

use super::{
    Ask, EVERY_ASK, Rig,
    given::{bad_request, error_info, help, malformed, retry_info},
    status,
};
use crate::{
    backend::http2::{self, Http2},
    front::Front,
};

/// No answer of the gateway is longer, whatever a backend sends.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

#[tokio::test]
async fn one_malformed_detail_does_not_cost_the_others() {
    let rig = Rig::start().await;
    for name in [
        "BadRequest",
        "ErrorInfo",
        "RetryInfo",
        "QuotaFailure",
        "PreconditionFailure",
        "ResourceInfo",
        "Help",
        "LocalizedMessage",
        "RequestInfo",
        "DebugInfo",
    ] {
        let bad = malformed(&format!("google.rpc.{name}"));
        let good = [
            error_info("order", "PAYMENT_DECLINED", &[("order_id", "8")]),
            bad_request(&[("payment", "insufficient balance", "")]),
        ];
        for place in 0..=good.len() {
            let mut details = good.to_vec();
            details.insert(place, bad.clone());
            let answer = rig.told(Ask::Post, &status(Code::InvalidArgument, "no", &details)).await;
            let problem = answer.problem();
            assert_eq!((answer.status.as_u16(), &problem["order_id"]), (402, &json!(8)), "{name} at {place}");
            assert_eq!(problem["errors"], json!([{ "field": "payment", "detail": "insufficient balance" }]));
        }
    }
}

#[tokio::test]
async fn details_that_are_no_status_leave_the_code_s_problem() {
    let rig = Rig::start().await;
    let sound = pb::Status { code: 5, message: "gone".to_owned(), details: vec![retry_info(1, 0)] };
    let cut = sound.encode_to_vec()[..8].to_vec();
    for bytes in [vec![0xff; 9], vec![0x1a, 0xff], vec![0], cut] {
        let failed = Status::with_details(Code::NotFound, "gone", bytes.into());
        for ask in EVERY_ASK {
            let answer = rig.told(ask, &failed).await;
            assert_eq!((answer.status.as_u16(), &answer.problem()["detail"]), (404, &json!("gone")));
            assert_eq!(answer.further_headers(), []);
        }
    }
}

#[tokio::test]
async fn details_that_are_no_base64_leave_the_code_s_problem() {
    for details in ["!canary!", "A", "====", "AA=A", "\u{7e}"] {
        let head = [("grpc-status", "5"), ("grpc-message", "gone"), ("grpc-status-details-bin", details)];
        let order = Http2::answering(move || http2::status(&head)).await;
        let gateway = Front::of(order.address).await;
        for ask in EVERY_ASK {
            let answer = gateway.ask(ask, &[]).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.problem()["detail"]),
                (404, &json!("gone")),
                "{details}"
            );
            assert!(!answer.shown().contains("canary"));
        }
    }
}

#[tokio::test]
async fn a_message_that_is_no_utf8_is_answered_all_the_same() {
    let order =
        Http2::answering(|| http2::status(&[("grpc-status", "5"), ("grpc-message", "%ff%fecanary")])).await;
    let gateway = Front::of(order.address).await;
    for ask in EVERY_ASK {
        let answer = gateway.ask(ask, &[]).await;
        answer.problem();
        assert!(answer.status.is_client_error() || answer.status.is_server_error());
        assert!(!answer.shown().contains("canary"));
    }
}

#[tokio::test]
async fn ten_thousand_violations_are_answered_with_the_first_of_them() {
    let rig = Rig::start().await;
    let violations = vec![("order_items[0].quantity", "is not a number that is sold here", ""); 10_000];
    let failed = status(Code::InvalidArgument, "bad", &[bad_request(&violations)]);
    for ask in EVERY_ASK {
        let answer = rig.told(ask, &failed).await;
        assert_eq!(answer.status.as_u16(), 400, "{ask:?}");
        let errors = answer.problem()["errors"].as_array().map(Vec::len).unwrap_or_default();
        assert!((1..10_000).contains(&errors), "{errors}");
        assert!(answer.body.len() < ANSWER_BYTES_MAX);
    }
}

#[tokio::test]
async fn a_message_of_100_kib_is_answered_with_its_beginning() {
    let rig = Rig::start().await;
    let message = "\u{20ac}".repeat(100 * 1024 / 3);
    for ask in EVERY_ASK {
        let answer = rig.told(ask, &status(Code::NotFound, &message, &[])).await;
        assert_eq!(answer.status.as_u16(), 404, "{ask:?}");
        let problem = answer.problem();
        let detail = problem["detail"].as_str().expect("a text");
        assert!(message.starts_with(detail) && !detail.is_empty() && detail.len() < message.len());
    }
}

#[tokio::test]
async fn more_links_than_clients_take_headers_are_cut() {
    let rig = Rig::start().await;
    let failed = status(Code::Internal, "", &[help(&vec![("more", "https://shop.example/help"); 500])]);
    let answer = rig.told(Ask::Get, &failed).await;
    let links = answer.headers.get_all("link").iter().count();
    assert!((1..50).contains(&links), "{links}");
}

#[tokio::test]
async fn a_status_beyond_every_bound_costs_one_answer_and_not_the_next() {
    let rig = Rig::start().await;
    let message = "x".repeat(4 * 1024 * 1024);
    let written = rig.told(Ask::Post, &status(Code::NotFound, &message, &[])).await;
    assert_eq!((written.status.as_u16(), &written.problem()["reason"]), (504, &json!("OUTCOME_UNKNOWN")));
    for ask in [Ask::Get, Ask::List] {
        let read = rig.told(ask, &status(Code::NotFound, &message, &[])).await;
        assert_eq!((read.status.as_u16(), &read.problem()["code"]), (502, &json!("INTERNAL")));
    }
    let next = rig.told(Ask::Get, &status(Code::NotFound, "gone", &[])).await;
    assert_eq!((next.status.as_u16(), &next.problem()["detail"]), (404, &json!("gone")));
}
