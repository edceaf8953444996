//! Private values stay private: canaries in every private place, with every code and reason.

use prost_types::Any;
use tonic::{Code, Status, metadata::MetadataValue};
use tonic_types::pb;

use super::{
    CODES, RequestFacts, any,
    codes::{expected, with_delay},
    error_info, help, localized, malformed,
    registered::OUTCOMES,
    render_counted, render_status, requests, status,
};
use crate::problem::context::DropReason;

const CANARY: &str = "canary";

/// `info`, and everything private that the details of one status can hold.
fn private_details(info: Any) -> Vec<Any> {
    let canary = || CANARY.to_owned();
    let quota =
        pb::quota_failure::Violation { subject: canary(), api_service: canary(), ..Default::default() };
    vec![
        info,
        any("google.rpc.DebugInfo", &pb::DebugInfo { stack_entries: vec![canary()], detail: canary() }),
        any(
            "google.rpc.RequestInfo",
            &pb::RequestInfo { request_id: "id".to_owned(), serving_data: canary() },
        ),
        any("google.rpc.ResourceInfo", &pb::ResourceInfo { owner: canary(), ..Default::default() }),
        any("google.rpc.QuotaFailure", &pb::QuotaFailure { violations: vec![quota] }),
        any("google.rpc.Status", &pb::Status { message: canary(), ..Default::default() }),
        any("canary.Type", &pb::Status { message: canary(), ..Default::default() }),
        Any { type_url: canary(), value: CANARY.into() },
        malformed("google.rpc.Help/canary"),
        help(&[(CANARY, "http://canary.example"), (CANARY, "javascript:canary")]),
        localized("canary canary", CANARY),
    ]
}

/// Adds metadata of the call, as text and as bytes.
fn with_metadata(mut status: Status) -> Status {
    for name in ["x-internal", "set-cookie", "location", "server", "content-language", "idempotent-replayed"]
    {
        status.metadata_mut().insert(name, MetadataValue::from_static(CANARY));
    }
    status.metadata_mut().insert_bin("x-trace-bin", MetadataValue::from_bytes(b"canary"));
    status
}

/// Renders `info` among private details with every code, for every kind of request.
async fn check(info: &Any) {
    for code in CODES {
        let message = if expected(code).3 { "no" } else { CANARY };
        let failed = with_metadata(status(code, message, &private_details(info.clone())));
        for request in requests() {
            let rendered = render_status(&failed, &request).await;
            assert!(!rendered.everything().to_lowercase().contains(CANARY), "{}", rendered.everything());
        }
    }
}

#[tokio::test]
async fn no_private_value_is_shown_with_any_code() {
    let metadata = [("note", CANARY), (CANARY, "x"), ("order_id", "8"), ("decline_reason", CANARY)];
    check(&error_info("elsewhere", "OTHER", &metadata)).await;
}

#[tokio::test]
async fn no_private_value_is_shown_with_any_reason() {
    for outcome in OUTCOMES {
        check(&error_info("order", outcome.reason, &[("note", CANARY), (CANARY, "x")])).await;
    }
}

#[tokio::test]
async fn every_private_value_is_counted_by_its_reason() {
    let info = error_info("order", "PAYMENT_DECLINED", &[("note", CANARY), (CANARY, "x"), ("order_id", "7")]);
    let (rendered, context) = render_counted(Code::InvalidArgument, &private_details(info)).await;
    assert_eq!(rendered.body["metadata"], serde_json::json!({ "order_id": "7" }));
    for (reason, count) in [
        (DropReason::DebugInfo, 1),
        (DropReason::UnknownType, 4),
        (DropReason::UnregisteredMetadata, 2),
        (DropReason::UnsafeLink, 2),
        (DropReason::Malformed, 1),
    ] {
        assert_eq!(context.dropped_count(reason), count, "{reason:?}");
    }
}

#[tokio::test]
async fn no_text_can_inject_a_header() {
    let injected = "x\r\nSet-Cookie: stolen=1\r\n\r\n<script>";
    let details = [
        error_info("order", injected, &[(injected, injected)]),
        error_info(injected, "PAYMENT_DECLINED", &[("order_id", injected), ("replayed", injected)]),
        help(&[(injected, "https://shop.example/\r\nSet-Cookie: stolen=1")]),
        localized("de\r\nSet-Cookie: stolen=1", injected),
    ];
    for code in CODES {
        let rendered = render_status(&status(code, injected, &details), &RequestFacts::default()).await;
        assert_eq!(rendered.status.as_u16(), expected(code).1);
        assert_eq!(rendered.further_headers(), with_delay(code, &[]));
        // JSON escapes line breaks in texts.
        assert!(!rendered.text.trim_end().contains(['\r', '\n']));
    }
}
