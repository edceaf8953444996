//! Private values must not reach a response: each private field of a status contains a canary.

use prost_types::Any;
use tonic::{Code, Status, metadata::MetadataValue};

use super::{
    MappingFixture,
    fixtures::{
        any, debug_info, error_info, help, localized, malformed, quota_failure, request_info, resource_info,
    },
    status,
};
use crate::{
    backend::http2::{self, Http2Server},
    gateway_fixture::{ALL_OPERATIONS, GatewayFixture},
    log_capture::LogCapture,
};

const CANARY: &str = "canary";

/// Details with a canary in every private field, and with unknown types.
fn private_details() -> Vec<Any> {
    vec![
        error_info("order", "NOT_CHARGED", &[("note", CANARY), (CANARY, "x")]),
        debug_info(CANARY),
        request_info(CANARY),
        resource_info(CANARY),
        quota_failure(CANARY, CANARY),
        Any { type_url: "type.googleapis.com/shop.Canary".to_owned(), value: CANARY.into() },
        Any { type_url: CANARY.to_owned(), value: CANARY.into() },
        malformed("google.rpc.Help/canary"),
        help(&[(CANARY, "http://canary.example"), (CANARY, "javascript:canary")]),
        localized("canary canary", CANARY),
        any(
            "google.rpc.Status",
            &tonic_types::pb::Status { message: CANARY.to_owned(), ..Default::default() },
        ),
    ]
}

/// Adds metadata to the status, as text and as bytes.
fn with_metadata(mut status: Status) -> Status {
    for name in ["x-internal", "set-cookie", "location", "server", "content-language", "idempotent-replayed"]
    {
        status.metadata_mut().insert(name, MetadataValue::from_static(CANARY));
    }
    status.metadata_mut().insert_bin("x-trace-bin", MetadataValue::from_bytes(b"canary"));
    status
}

#[tokio::test]
async fn private_details_and_metadata_stay_out_of_responses() {
    let fixture = MappingFixture::start().await;
    for (code, message) in [(Code::Internal, CANARY), (Code::NotFound, "no")] {
        let failed = with_metadata(status(code, message, &private_details()));
        for operation in ALL_OPERATIONS {
            let response = fixture.response_with(operation, &[("accept-language", "*, en")], &failed).await;
            assert_eq!(response.status.as_u16(), 503, "{code:?} on {operation:?}");
            let everything = response.everything();
            assert!(!everything.to_lowercase().contains(CANARY), "{code:?}: {everything}");
        }
    }
}

#[tokio::test]
async fn headers_and_trailers_of_the_call_stay_out_of_responses() {
    let order = Http2Server::responding(|| {
        let trailers = [
            ("grpc-status", "5"),
            ("grpc-message", "gone"),
            ("x-internal", CANARY),
            ("set-cookie", "canary=1"),
        ];
        let mut response = http2::grpc("", &trailers);
        for name in ["x-internal", "server", "via", "set-cookie", "grpc-encoding-note"] {
            response.headers_mut().insert(name, http::HeaderValue::from_static(CANARY));
        }
        response
    })
    .await;
    let gateway = GatewayFixture::start(order.address).await;
    for operation in ALL_OPERATIONS {
        let response = gateway.call(operation, &[]).await;
        assert_eq!(response.status.as_u16(), 404);
        assert!(!response.everything().contains(CANARY), "{}", response.everything());
    }
}

#[tokio::test]
async fn hidden_cause_is_logged_once() {
    let log = LogCapture::start();
    let fixture = MappingFixture::start().await;
    let hidden = [
        Code::Cancelled,
        Code::Unknown,
        Code::DeadlineExceeded,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
    ];
    for (code, operation) in hidden.into_iter().zip(ALL_OPERATIONS.into_iter().cycle()) {
        log.take_lines();
        let details = [debug_info("main.rs:7")];
        fixture.response(operation, &status(code, "db7: disk full\nforged line", &details)).await;
        let lines = log.take_lines();
        for (cause, event) in [("db7: disk full", "a call to a backend failed"), ("main.rs:7", "debug_info")]
        {
            let causes: Vec<_> = lines.iter().filter(|line| line.contains(cause)).collect();
            let logged = causes.len() == 1 && causes[0].contains(" WARN ") && causes[0].contains(event);
            assert!(logged, "{lines:#?}");
        }
        assert!(!lines.iter().any(|line| line.starts_with("forged")), "{lines:#?}");
    }
}
