//! What must never leave: canaries in every place that is not the public's, with every code.

use prost_types::Any;
use serde_json::json;
use tonic::Code;
use tonic_types::pb;

use super::{CODES, any, error_info, help, malformed, told_of, told_with_counts};
use crate::problem::context::Why;

#[tokio::test]
async fn no_canary_leaves_with_any_code() {
    let canary = || "canary".to_owned();
    let details = [
        any("google.rpc.DebugInfo", &pb::DebugInfo { stack_entries: vec![canary()], detail: canary() }),
        any(
            "google.rpc.RequestInfo",
            &pb::RequestInfo { request_id: "id".to_owned(), serving_data: canary() },
        ),
        any("google.rpc.ResourceInfo", &pb::ResourceInfo { owner: canary(), ..Default::default() }),
        any(
            "google.rpc.QuotaFailure",
            &pb::QuotaFailure {
                violations: vec![pb::quota_failure::Violation {
                    subject: canary(),
                    api_service: canary(),
                    ..Default::default()
                }],
            },
        ),
        error_info(
            "order",
            "PAYMENT_DECLINED",
            &[("internal_note", "canary"), ("canary", "x"), ("order_id", "7")],
        ),
        Any { type_url: "type.googleapis.com/canary.Type".to_owned(), value: b"canary".to_vec() },
        Any { type_url: "canary".to_owned(), value: b"canary".to_vec() },
        malformed("google.rpc.Help/canary"),
        help(&[("canary", "http://canary.example"), ("canary", "javascript:canary")]),
    ];
    for code in CODES {
        let (seen, site) = told_with_counts(code, &details).await;
        assert!(!seen.text.contains("canary"), "{}", seen.text);
        assert!(!format!("{:?}", seen.headers).contains("canary"), "{:?}", seen.headers);
        assert_eq!(seen.body["metadata"], json!({"order_id": "7"}));
        assert_eq!(site.dropped(Why::DebugInfo), 1);
        assert_eq!(site.dropped(Why::UnknownType), 3);
        assert_eq!(site.dropped(Why::UnregisteredMetadata), 2);
        assert_eq!(site.dropped(Why::UnsafeLink), 2);
        assert_eq!(site.dropped(Why::Malformed), 0);
    }
}

#[tokio::test]
async fn only_https_links_are_passed_on() {
    let details = [help(&[
        ("good", "https://shop.example/a?b#c"),
        ("plain", "http://shop.example"),
        ("script", "javascript:alert(1)"),
        ("injected", "https://shop.example/\r\nSet-Cookie: a=b"),
        ("closed", "https://shop.example/>; rel=\"stylesheet\""),
    ])];
    let seen = told_of(Code::Internal, &details).await;
    assert_eq!(seen.body["links"], json!([{"title": "good", "href": "https://shop.example/a?b#c"}]));
    assert_eq!(seen.headers.get_all("link").iter().count(), 1);
    assert_eq!(seen.header("set-cookie"), None);
}

#[tokio::test]
async fn metadata_of_the_call_reaches_no_response() {
    let mut status = super::status(Code::NotFound, "gone", &[]);
    status.metadata_mut().insert("x-internal", "canary".parse().unwrap());
    status.metadata_mut().insert("set-cookie", "canary=1".parse().unwrap());
    let seen = super::told(&status, &super::RequestFacts::default()).await;
    assert!(!format!("{:?}{}", seen.headers, seen.text).contains("canary"));
}
