//! Each detail type's members and headers, and what a malformed detail costs.

use prost::Message;
use prost_types::Any;
use serde_json::json;
use tonic::Code;
use tonic_types::pb;

use super::{
    CODES, RequestFacts, any, bad_request, error_info, help, localized, malformed, raw_status, retry_info,
    status, told, told_of, told_with_counts,
};
use crate::problem::{BodyShape, context::Why};

fn quota_failure() -> Any {
    let violation = pb::quota_failure::Violation {
        subject: "canary-subject".to_owned(),
        api_service: "canary-service".to_owned(),
        description: "too many orders".to_owned(),
        quota_metric: "orders".to_owned(),
        quota_id: "orders-per-minute".to_owned(),
        quota_dimensions: [("region", "eu"), ("kind", "new")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        quota_value: 10,
        future_quota_value: Some(20),
    };
    let bare = pb::quota_failure::Violation { description: "and again".to_owned(), ..Default::default() };
    any("google.rpc.QuotaFailure", &pb::QuotaFailure { violations: vec![violation, bare] })
}

fn precondition_failure() -> Any {
    let violation = pb::precondition_failure::Violation {
        r#type: "TOS".to_owned(),
        subject: "shop.example".to_owned(),
        description: "terms not accepted".to_owned(),
    };
    any("google.rpc.PreconditionFailure", &pb::PreconditionFailure { violations: vec![violation] })
}

fn resource_info() -> Any {
    let detail = pb::ResourceInfo {
        resource_type: "order".to_owned(),
        resource_name: "orders/7".to_owned(),
        owner: "canary-owner".to_owned(),
        description: "is locked".to_owned(),
    };
    any("google.rpc.ResourceInfo", &detail)
}

fn request_info() -> Any {
    let detail =
        pb::RequestInfo { request_id: "upstream-1".to_owned(), serving_data: "canary-data".to_owned() };
    any("google.rpc.RequestInfo", &detail)
}

#[tokio::test]
async fn every_detail_has_its_members_with_every_code() {
    let details = [
        bad_request(&[("user_id", "must be positive", "NOT_POSITIVE"), ("payment", "no", "")]),
        error_info("elsewhere", "SOME_REASON", &[]),
        retry_info(2, 0),
        quota_failure(),
        precondition_failure(),
        resource_info(),
        help(&[("more", "https://shop.example/help")]),
        request_info(),
    ];
    for code in CODES {
        let seen = told_of(code, &details).await;
        let body = &seen.body;
        assert_eq!(
            body["errors"],
            json!([
                {"field": "user_id", "detail": "must be positive", "reason": "NOT_POSITIVE"},
                {"field": "payment", "detail": "no"},
            ])
        );
        assert_eq!((&body["reason"], &body["domain"]), (&json!("SOME_REASON"), &json!("elsewhere")));
        assert_eq!((seen.header("retry-after"), &body["retry_after_ms"]), (Some("2"), &json!(2000)));
        assert_eq!(
            body["quota_violations"],
            json!([
                {"description": "too many orders", "quota_metric": "orders", "quota_id": "orders-per-minute",
                 "quota_dimensions": {"kind": "new", "region": "eu"}, "quota_value": 10, "future_quota_value": 20},
                {"description": "and again"},
            ])
        );
        assert_eq!(
            body["preconditions"],
            json!([{"type": "TOS", "subject": "shop.example", "description": "terms not accepted"}])
        );
        assert_eq!(
            body["resource"],
            json!({"type": "order", "name": "orders/7", "description": "is locked"})
        );
        assert_eq!(body["links"], json!([{"title": "more", "href": "https://shop.example/help"}]));
        assert_eq!(seen.header("link"), Some("<https://shop.example/help>; rel=\"help\""));
        assert_eq!(body["upstream_request_id"], "upstream-1");
        assert!(!seen.text.contains("canary"), "{}", seen.text);
    }
}

#[tokio::test]
async fn a_violation_points_into_the_body_that_was_sent() {
    let details = [bad_request(&[
        ("order_items[0].unit_price", "too precise", ""),
        ("currency_code", "unknown", ""),
        ("payment", "insufficient balance", ""),
    ])];
    let invalid = status(Code::InvalidArgument, "invalid", &details);
    let shape = Some(BodyShape { items: 1, ..BodyShape::default() });
    let seen = told(&invalid, &RequestFacts { write: true, shape, ..RequestFacts::default() }).await;
    assert_eq!(
        seen.body["errors"],
        json!([
            {"field": "order_items[0].unit_price", "pointer": "#/order_items/0/unit_price", "detail": "too precise"},
            {"field": "currency_code", "pointer": "#", "detail": "unknown"},
            {"field": "payment", "detail": "insufficient balance"},
        ])
    );
    let without_body = told(&invalid, &RequestFacts::default()).await;
    assert!(!without_body.text.contains("pointer"));
}

#[tokio::test]
async fn a_delay_is_rounded_up_and_never_nothing() {
    for (seconds, nanos, header, ms) in [
        (0, 0, "1", 0),
        (0, 1, "1", 1),
        (0, 999_999_999, "1", 1000),
        (1, 0, "1", 1000),
        (1, 1, "2", 1001),
        (59, 500_000_000, "60", 59_500),
        (315_576_000_000, 0, "315576000000", 315_576_000_000_000_u64),
    ] {
        let seen = told_of(Code::Unavailable, &[retry_info(seconds, nanos)]).await;
        assert_eq!(seen.header("retry-after"), Some(header), "{seconds} s {nanos} ns");
        assert_eq!(seen.body["retry_after_ms"], json!(ms), "{seconds} s {nanos} ns");
    }
}

#[tokio::test]
async fn a_delay_that_cannot_be_is_left_out() {
    for (seconds, nanos) in
        [(-1, 0), (0, -1), (i64::MAX, i32::MAX), (i64::MIN, i32::MIN), (315_576_000_001, 0)]
    {
        let (seen, site) = told_with_counts(Code::Unavailable, &[retry_info(seconds, nanos)]).await;
        assert_eq!((seen.header("retry-after"), seen.body.get("retry_after_ms")), (None, None));
        assert_eq!(site.dropped(Why::Malformed), 1);
    }
    let unset = any("google.rpc.RetryInfo", &pb::RetryInfo { retry_delay: None });
    assert_eq!(told_of(Code::Unavailable, &[unset]).await.header("retry-after"), None);
}

#[tokio::test]
async fn one_malformed_detail_does_not_cost_the_others() {
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
        let details = [
            malformed(&format!("google.rpc.{name}")),
            error_info("order", "PAYMENT_DECLINED", &[("order_id", "7")]),
            bad_request(&[("payment", "insufficient balance", "")]),
        ];
        let (seen, site) = told_with_counts(Code::InvalidArgument, &details).await;
        assert_eq!(seen.status.as_u16(), 402, "{name}");
        assert_eq!(seen.body["order_id"], json!(7));
        assert_eq!(seen.body["errors"], json!([{"field": "payment", "detail": "insufficient balance"}]));
        assert_eq!(site.dropped(Why::Malformed), 1, "{name}");
    }
}

#[tokio::test]
async fn a_detail_that_is_not_even_an_any_does_not_cost_the_others() {
    let good = retry_info(2, 0).encode_to_vec();
    let not_utf8 = vec![0x0a, 0x02, 0xff, 0xfe];
    let mut rpc = vec![0x12, 0x02, 0xff, 0xfe]; // a message that is no UTF-8 either
    for detail in [&not_utf8, &good] {
        rpc.push(0x1a);
        rpc.push(u8::try_from(detail.len()).unwrap());
        rpc.extend(detail);
    }
    let seen = told(&raw_status(Code::Unavailable, "", rpc), &RequestFacts::default()).await;
    assert_eq!(seen.header("retry-after"), Some("2"));
}

#[tokio::test]
async fn details_that_are_no_status_at_all_leave_the_code_s_problem() {
    let seen = told(&raw_status(Code::NotFound, "gone", vec![0xff; 9]), &RequestFacts::default()).await;
    assert_eq!((seen.status.as_u16(), &seen.body["detail"]), (404, &json!("gone")));
}

#[tokio::test]
async fn details_of_one_type_add_up_or_the_first_stands() {
    let details = [
        bad_request(&[("a", "1", "")]),
        bad_request(&[("b", "2", "")]),
        retry_info(1, 0),
        retry_info(5, 0),
        retry_info(2, 0),
        help(&[("x", "https://x.example")]),
        help(&[("y", "https://y.example")]),
        request_info(),
        any(
            "google.rpc.RequestInfo",
            &pb::RequestInfo { request_id: "other".to_owned(), ..Default::default() },
        ),
        localized("de", "nein"),
    ];
    let seen = told_of(Code::Unavailable, &details).await;
    assert_eq!(seen.body["errors"].as_array().unwrap().len(), 2);
    assert_eq!(seen.header("retry-after"), Some("5"));
    assert_eq!(seen.headers.get_all("link").iter().count(), 2);
    assert_eq!(seen.body["upstream_request_id"], "upstream-1");
}
