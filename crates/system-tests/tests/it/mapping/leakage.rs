//! What must never leave: a canary in every place that is not the public's, with every code and reason, on
//! every route.

use prost_types::Any;
use tonic::{Code, Status, metadata::MetadataValue};

use super::{
    ALL_OPERATIONS, MappingFixture, Operation,
    codes::CODES,
    fixtures::{
        any, debug_info, error_info, help, localized, malformed, quota_failure, request_info, resource_info,
        unknown,
    },
    status,
};
use crate::{
    backend::http2::{self, Http2Server},
    gateway_fixture::GatewayFixture,
    log_capture::LogCapture,
};

const CANARY: &str = "canary";

/// Everything private that a backend can put into the details of one status.
fn planted(info: Any) -> Vec<Any> {
    vec![
        info,
        debug_info(CANARY),
        request_info(CANARY),
        resource_info(CANARY),
        quota_failure(CANARY, CANARY),
        unknown("shop.Canary", b"canary"),
        unknown("canary", b"canary"),
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

/// A status with metadata of the call itself, as text and as bytes.
fn with_metadata(mut status: Status) -> Status {
    for name in ["x-internal", "set-cookie", "location", "server", "content-language", "idempotent-replayed"]
    {
        status.metadata_mut().insert(name, MetadataValue::from_static(CANARY));
    }
    status.metadata_mut().insert_bin("x-trace-bin", MetadataValue::from_bytes(b"canary"));
    status
}

#[tokio::test]
async fn no_canary_leaves_with_any_code() {
    let fixture = MappingFixture::start().await;
    let unregistered = [("note", CANARY), (CANARY, "x"), ("order_id", "8"), ("decline_reason", CANARY)];
    for told in CODES {
        let message = if told.shows_message { "no" } else { CANARY };
        let details = planted(error_info("elsewhere", "OTHER", &unregistered));
        let failed = with_metadata(status(told.code, message, &details));
        for operation in ALL_OPERATIONS {
            let response = fixture.told_with(operation, &[("accept-language", "*, en")], &failed).await;
            assert_eq!(response.status.as_u16(), told.http, "{:?} on {operation:?}", told.code);
            assert!(
                !response.shown().to_lowercase().contains(CANARY),
                "{:?}: {}",
                told.code,
                response.shown()
            );
        }
    }
}

#[tokio::test]
async fn no_canary_leaves_with_any_reason() {
    let fixture = MappingFixture::start().await;
    for reason in [
        "PAYMENT_DECLINED",
        "NOT_CHARGED",
        "OUTCOME_UNKNOWN",
        "IDEMPOTENCY_IN_PROGRESS",
        "IDEMPOTENCY_KEY_REUSED",
        "ORDER_VOIDED",
        "NOT_STARTED",
    ] {
        for told in CODES {
            let message = if told.shows_message { "no" } else { CANARY };
            let details = planted(error_info("order", reason, &[("note", CANARY), (CANARY, "x")]));
            let response =
                fixture.told(Operation::Create, &with_metadata(status(told.code, message, &details))).await;
            assert!(!response.shown().to_lowercase().contains(CANARY), "{reason}: {}", response.shown());
        }
    }
}

#[tokio::test]
async fn nothing_of_the_call_s_head_or_trailers_leaves() {
    let order = Http2Server::responding(|| {
        let mut response = http2::grpc(
            "",
            &[
                ("grpc-status", "5"),
                ("grpc-message", "gone"),
                ("x-internal", CANARY),
                ("set-cookie", "canary=1"),
            ],
        );
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
        assert!(!response.shown().contains(CANARY), "{}", response.shown());
    }
}

#[tokio::test]
async fn what_could_end_a_header_ends_none() {
    let fixture = MappingFixture::start().await;
    let injected = "x\r\nSet-Cookie: stolen=1\r\n\r\n<script>";
    let details = [
        error_info("order", injected, &[(injected, injected)]),
        error_info(injected, "PAYMENT_DECLINED", &[("order_id", injected), ("replayed", injected)]),
        help(&[(injected, "https://shop.example/\r\nSet-Cookie: stolen=1")]),
        localized("de\r\nSet-Cookie: stolen=1", injected),
    ];
    for told in CODES {
        let response = fixture.told(Operation::Create, &status(told.code, injected, &details)).await;
        assert_eq!(response.status.as_u16(), told.http);
        assert_eq!(response.further_headers(), []);
        // As text of the body it is JSON's business, and escaped.
        assert!(!response.body.trim_ascii_end().iter().any(|byte| b"\r\n".contains(byte)));
    }
}

#[tokio::test]
async fn the_same_reason_of_another_domain_shows_no_metadata() {
    let fixture = MappingFixture::start().await;
    let details =
        [error_info("payment", "PAYMENT_DECLINED", &[("order_id", "8"), ("decline_reason", CANARY)])];
    let response = fixture.told(Operation::Create, &status(Code::InvalidArgument, "no", &details)).await;
    assert_eq!(response.status.as_u16(), 400);
    assert!(response.problem().get("metadata").is_none() && !response.shown().contains(CANARY));
}

#[tokio::test]
async fn what_the_public_is_not_told_is_in_the_log_once() {
    let log = LogCapture::start();
    let fixture = MappingFixture::start().await;
    for told in CODES.iter().filter(|told| !told.shows_message) {
        for operation in ALL_OPERATIONS {
            log.take_lines();
            fixture
                .told(
                    operation,
                    &status(told.code, "db7: disk full\nforged line", &[debug_info("main.rs:7")]),
                )
                .await;
            let lines = log.take_lines();
            for (cause, place) in
                [("db7: disk full", "a call to a backend failed"), ("main.rs:7", "debug_info")]
            {
                let of: Vec<_> = lines.iter().filter(|line| line.contains(cause)).collect();
                assert!(of.len() == 1 && of[0].contains(" WARN ") && of[0].contains(place), "{lines:#?}");
            }
            assert!(!lines.iter().any(|line| line.starts_with("forged")), "{lines:#?}");
        }
    }
}
