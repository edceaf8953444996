//! Details that no honest backend sends: malformed, undecodable, too many, too long. There is a response all
//! the same, and what is sound in them is in it.

use prost::Message;
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::pb;

use super::{
    ALL_OPERATIONS, MappingFixture, Operation,
    fixtures::{bad_request, error_info, help, malformed, retry_info},
    status,
};
use crate::{
    backend::http2::{self, Http2Server},
    gateway_fixture::GatewayFixture,
};

/// No response of the gateway is longer, whatever a backend sends.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

#[tokio::test]
async fn one_malformed_detail_does_not_cost_the_others() {
    let fixture = MappingFixture::start().await;
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
            let response =
                fixture.told(Operation::Create, &status(Code::InvalidArgument, "no", &details)).await;
            let problem = response.problem();
            assert_eq!(
                (response.status.as_u16(), &problem["order_id"]),
                (402, &json!(8)),
                "{name} at {place}"
            );
            assert_eq!(problem["errors"], json!([{ "field": "payment", "detail": "insufficient balance" }]));
        }
    }
}

#[tokio::test]
async fn details_that_are_no_status_leave_the_code_s_problem() {
    let fixture = MappingFixture::start().await;
    let sound = pb::Status { code: 5, message: "gone".to_owned(), details: vec![retry_info(1, 0)] };
    let cut = sound.encode_to_vec()[..8].to_vec();
    for bytes in [vec![0xff; 9], vec![0x1a, 0xff], vec![0], cut] {
        let failed = Status::with_details(Code::NotFound, "gone", bytes.into());
        for operation in ALL_OPERATIONS {
            let response = fixture.told(operation, &failed).await;
            assert_eq!((response.status.as_u16(), &response.problem()["detail"]), (404, &json!("gone")));
            assert_eq!(response.further_headers(), []);
        }
    }
}

#[tokio::test]
async fn details_that_are_no_base64_leave_the_code_s_problem() {
    for details in ["!canary!", "A", "====", "AA=A", "\u{7e}"] {
        let head = [("grpc-status", "5"), ("grpc-message", "gone"), ("grpc-status-details-bin", details)];
        let order = Http2Server::responding(move || http2::status(&head)).await;
        let gateway = GatewayFixture::start(order.address).await;
        for operation in ALL_OPERATIONS {
            let response = gateway.call(operation, &[]).await;
            assert_eq!(
                (response.status.as_u16(), &response.problem()["detail"]),
                (404, &json!("gone")),
                "{details}"
            );
            assert!(!response.shown().contains("canary"));
        }
    }
}

#[tokio::test]
async fn a_message_that_is_no_utf8_is_answered_all_the_same() {
    let order =
        Http2Server::responding(|| http2::status(&[("grpc-status", "5"), ("grpc-message", "%ff%fecanary")]))
            .await;
    let gateway = GatewayFixture::start(order.address).await;
    for operation in ALL_OPERATIONS {
        let response = gateway.call(operation, &[]).await;
        response.problem();
        assert!(response.status.is_client_error() || response.status.is_server_error());
        assert!(!response.shown().contains("canary"));
    }
}

#[tokio::test]
async fn ten_thousand_violations_are_answered_with_the_first_of_them() {
    let fixture = MappingFixture::start().await;
    let violations = vec![("order_items[0].quantity", "is not a number that is sold here", ""); 10_000];
    let failed = status(Code::InvalidArgument, "bad", &[bad_request(&violations)]);
    for operation in ALL_OPERATIONS {
        let response = fixture.told(operation, &failed).await;
        assert_eq!(response.status.as_u16(), 400, "{operation:?}");
        let errors = response.problem()["errors"].as_array().map(Vec::len).unwrap_or_default();
        assert!((1..10_000).contains(&errors), "{errors}");
        assert!(response.body.len() < ANSWER_BYTES_MAX);
    }
}

#[tokio::test]
async fn a_message_of_100_kib_is_answered_with_its_beginning() {
    let fixture = MappingFixture::start().await;
    let message = "\u{20ac}".repeat(100 * 1024 / 3);
    for operation in ALL_OPERATIONS {
        let response = fixture.told(operation, &status(Code::NotFound, &message, &[])).await;
        assert_eq!(response.status.as_u16(), 404, "{operation:?}");
        let problem = response.problem();
        let detail = problem["detail"].as_str().expect("a text");
        assert!(message.starts_with(detail) && !detail.is_empty() && detail.len() < message.len());
    }
}

#[tokio::test]
async fn more_links_than_clients_take_headers_are_cut() {
    let fixture = MappingFixture::start().await;
    let failed = status(Code::Internal, "", &[help(&vec![("more", "https://shop.example/help"); 500])]);
    let response = fixture.told(Operation::Get, &failed).await;
    let links = response.headers.get_all("link").iter().count();
    assert!((1..50).contains(&links), "{links}");
}

#[tokio::test]
async fn a_status_beyond_every_bound_costs_one_answer_and_not_the_next() {
    let fixture = MappingFixture::start().await;
    let message = "x".repeat(4 * 1024 * 1024);
    let written = fixture.told(Operation::Create, &status(Code::NotFound, &message, &[])).await;
    assert_eq!((written.status.as_u16(), &written.problem()["reason"]), (504, &json!("OUTCOME_UNKNOWN")));
    for operation in [Operation::Get, Operation::List] {
        let read = fixture.told(operation, &status(Code::NotFound, &message, &[])).await;
        assert_eq!((read.status.as_u16(), &read.problem()["code"]), (502, &json!("INTERNAL")));
    }
    let next = fixture.told(Operation::Get, &status(Code::NotFound, "gone", &[])).await;
    assert_eq!((next.status.as_u16(), &next.problem()["detail"]), (404, &json!("gone")));
}
