//! Malformed, undecodable and oversized statuses: the response is a problem with the valid parts.

use serde_json::json;
use tonic::{Code, Status};

use super::{
    MappingFixture,
    fixtures::{bad_request, error_info, malformed},
    status,
};
use crate::{
    backend::{
        http2::{self, Http2Server},
        scripted::ScriptedOrder,
    },
    gateway_fixture::{ALL_OPERATIONS, GatewayFixture, Operation},
};

/// A bound on every response of the gateway.
const RESPONSE_BYTES_MAX: usize = 1024 * 1024;

#[tokio::test]
async fn malformed_detail_leaves_the_others() {
    let fixture = MappingFixture::start().await;
    let details = [
        error_info("order", "PAYMENT_DECLINED", &[("order_id", "8")]),
        malformed("google.rpc.RetryInfo"),
        bad_request(&[("payment", "insufficient balance", "")]),
    ];
    let response = fixture.response(Operation::Create, &status(Code::InvalidArgument, "no", &details)).await;
    let problem = response.problem();
    assert_eq!((response.status.as_u16(), &problem["order_id"]), (402, &json!(8)));
    assert_eq!(problem["errors"], json!([{ "field": "payment", "detail": "insufficient balance" }]));
}

#[tokio::test]
async fn undecodable_details_leave_the_code() {
    let fixture = MappingFixture::start().await;
    let failed = Status::with_details(Code::NotFound, "gone", vec![0xff; 9].into());
    for operation in ALL_OPERATIONS {
        let response = fixture.response(operation, &failed).await;
        assert_eq!((response.status.as_u16(), &response.problem()["detail"]), (404, &json!("gone")));
        assert_eq!(response.further_headers(), []);
    }
}

#[tokio::test]
async fn invalid_base64_leaves_the_code() {
    for details in ["!canary!", "A", "====", "AA=A", "\u{7e}"] {
        let head = [("grpc-status", "5"), ("grpc-message", "gone"), ("grpc-status-details-bin", details)];
        let order = Http2Server::responding(move || http2::status(&head)).await;
        let gateway = GatewayFixture::start(order.address).await;
        for operation in ALL_OPERATIONS {
            let response = gateway.call(operation, &[]).await;
            let problem = response.problem();
            assert_eq!((response.status.as_u16(), &problem["detail"]), (404, &json!("gone")), "{details}");
            assert!(!response.everything().contains("canary"));
        }
    }
}

#[tokio::test]
async fn invalid_utf_8_message_gets_a_problem() {
    let head = [("grpc-status", "5"), ("grpc-message", "%ff%fecanary")];
    let order = Http2Server::responding(move || http2::status(&head)).await;
    let gateway = GatewayFixture::start(order.address).await;
    for operation in ALL_OPERATIONS {
        let response = gateway.call(operation, &[]).await;
        response.problem();
        assert!(response.status.is_client_error() || response.status.is_server_error());
        assert!(!response.everything().contains("canary"));
    }
}

#[tokio::test]
async fn large_status_gets_a_truncated_problem() {
    let fixture = MappingFixture::start().await;
    let violations = vec![("order_items[0].quantity", "is not a number that is sold here", ""); 10_000];
    let message = "\u{20ac}".repeat(100 * 1024 / 3);
    for operation in ALL_OPERATIONS {
        let invalid = status(Code::InvalidArgument, "bad", &[bad_request(&violations)]);
        let response = fixture.response(operation, &invalid).await;
        assert_eq!(response.status.as_u16(), 400, "{operation:?}");
        let errors = response.problem()["errors"].as_array().map(Vec::len).unwrap_or_default();
        assert!((1..10_000).contains(&errors), "{errors}");
        assert!(response.body.len() < RESPONSE_BYTES_MAX);

        let response = fixture.response(operation, &status(Code::NotFound, &message, &[])).await;
        assert_eq!(response.status.as_u16(), 404, "{operation:?}");
        let problem = response.problem();
        let detail = problem["detail"].as_str().expect("a text");
        assert!(message.starts_with(detail) && !detail.is_empty() && detail.len() < message.len());
    }
}

#[tokio::test]
async fn status_over_the_metadata_limit_fails_one_call_only() {
    let order = ScriptedOrder::start().await;
    // Reading 4 MiB of headers takes seconds on a loaded machine. The default configuration of calls limits an
    // attempt to 2 s.
    let vars = [("REQUEST_TIMEOUT_MS", "30000"), ("ORDER_SERVICE_CONFIG", "{}")];
    let gateway = GatewayFixture::start_with(order.address, &vars).await;
    let fixture = MappingFixture { order, gateway };
    let oversized = status(Code::NotFound, &"x".repeat(4 * 1024 * 1024), &[]);
    let created = fixture.response(Operation::Create, &oversized).await;
    assert_eq!((created.status.as_u16(), &created.problem()["reason"]), (504, &json!("OUTCOME_UNKNOWN")));
    for operation in [Operation::Get, Operation::List] {
        let read = fixture.response(operation, &oversized).await;
        assert_eq!((read.status.as_u16(), &read.problem()["code"]), (502, &json!("INTERNAL")));
    }
    let next = fixture.response(Operation::Get, &status(Code::NotFound, "gone", &[])).await;
    assert_eq!((next.status.as_u16(), &next.problem()["detail"]), (404, &json!("gone")));
}
