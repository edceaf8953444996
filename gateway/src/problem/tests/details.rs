//! Every detail type with every code: the members and headers that it adds, and no others.

use prost_types::Any;
use serde_json::{Value, json};
use tonic::Code;
use tonic_types::pb;

use super::{
    CODES, RequestFacts, any, bad_request,
    codes::{expected, with_delay, with_delay_ms},
    error_info, help, localized, render_counted, render_details, render_status, requests, retry_info, status,
    with_order_id,
};
use crate::problem::{BodyShape, context::DropReason};

/// A detail, and all members and headers that it adds to a problem.
struct Case {
    detail: Any,
    members: Value,
    headers: Vec<(&'static str, &'static str)>,
}

fn adds(detail: Any, members: Value) -> Case {
    Case { detail, members, headers: Vec::new() }
}

fn adds_headers(detail: Any, members: Value, headers: &[(&'static str, &'static str)]) -> Case {
    Case { detail, members, headers: headers.to_vec() }
}

fn adds_nothing(detail: Any) -> Case {
    adds(detail, json!({}))
}

/// Renders every case with every code for every kind of request.
async fn check(cases: Vec<Case>) {
    for case in cases {
        for code in CODES {
            let (_, http, slug, ..) = expected(code);
            let failed = status(code, "the message", std::slice::from_ref(&case.detail));
            for request in requests() {
                let rendered = render_status(&failed, &request).await;
                let place = format!("{code:?} with {:?}", case.detail);
                assert_eq!(rendered.status.as_u16(), http, "{place}");
                assert_eq!(rendered.body["type"], format!("/problems/{slug}"), "{place}");
                let members = with_order_id(&request, with_delay_ms(code, case.members.clone()));
                assert_eq!(rendered.further_members(), members, "{place}");
                assert_eq!(rendered.further_headers(), with_delay(code, &case.headers), "{place}");
                assert!(!rendered.everything().contains("canary"), "{place}");
            }
        }
    }
}

#[tokio::test]
async fn an_unregistered_reason_is_shown_without_its_metadata() {
    let metadata = [("order_id", "8"), ("decline_reason", "canary")];
    let reason = |domain, reason| {
        adds(error_info(domain, reason, &metadata), json!({ "domain": domain, "reason": reason }))
    };
    check(vec![
        reason("order", "SOMETHING_NEW"),
        // Payment's reasons are not public.
        reason("payment", "DECLINED"),
        reason("payment", "PAYMENT_DECLINED"),
        // No backend may use the gateway's domain.
        reason("gateway", "INSUFFICIENT_SCOPE"),
        reason("elsewhere", "NOT_CHARGED"),
        adds(error_info("", "PAYMENT_DECLINED", &metadata), json!({ "reason": "PAYMENT_DECLINED" })),
    ])
    .await;
}

#[tokio::test]
async fn a_delay_is_in_milliseconds_and_in_seconds_rounded_up_and_at_least_one() {
    let waits = |seconds, nanos, ms: u64, header| {
        let members = json!({ "retry_after_ms": ms });
        adds_headers(retry_info(seconds, nanos), members, &[("retry-after", header)])
    };
    check(vec![
        waits(0, 0, 0, "1"),
        waits(0, 1, 1, "1"),
        waits(0, 1_000_000, 1, "1"),
        waits(0, 999_999_999, 1000, "1"),
        waits(1, 0, 1000, "1"),
        waits(1, 1, 1001, "2"),
        waits(1, 500_000_000, 1500, "2"),
        waits(2, 0, 2000, "2"),
        waits(59, 500_000_000, 59_500, "60"),
        // The maximum of google.protobuf.Duration.
        waits(315_576_000_000, 0, 315_576_000_000_000, "315576000000"),
        adds_nothing(any("google.rpc.RetryInfo", &pb::RetryInfo { retry_delay: None })),
    ])
    .await;
}

#[tokio::test]
async fn an_invalid_delay_is_left_out() {
    let invalid = [(-1, 0), (0, -1), (i64::MAX, i32::MAX), (i64::MIN, i32::MIN), (315_576_000_001, 0)];
    check(invalid.map(|(seconds, nanos)| adds_nothing(retry_info(seconds, nanos))).into()).await;
    for (seconds, nanos) in invalid {
        let (_, context) = render_counted(Code::Unavailable, &[retry_info(seconds, nanos)]).await;
        assert_eq!(context.dropped_count(DropReason::Malformed), 1);
    }
}

#[tokio::test]
async fn only_safe_https_links_are_shown() {
    let good = json!({ "title": "more", "href": "https://shop.example/a?b=c#d" });
    check(vec![
        adds_headers(
            help(&[("more", "https://shop.example/a?b=c#d")]),
            json!({ "links": [good] }),
            &[("link", "<https://shop.example/a?b=c#d>; rel=\"help\"")],
        ),
        adds_headers(
            help(&[("a", "https://a.example"), ("canary", "http://b.example"), ("c", "https://c.example")]),
            json!({ "links": [
                { "title": "a", "href": "https://a.example" }, { "title": "c", "href": "https://c.example" },
            ] }),
            &[("link", "<https://a.example>; rel=\"help\""), ("link", "<https://c.example>; rel=\"help\"")],
        ),
        adds_nothing(help(&[("plain", "http://shop.example")])),
        adds_nothing(help(&[("script", "javascript:alert(1)//https://shop.example")])),
        adds_nothing(help(&[("data", "data:text/html,<script>alert(1)</script>")])),
        adds_nothing(help(&[("cut", "https://shop.example/\r\nSet-Cookie: a=b")])),
        adds_nothing(help(&[("closed", "https://shop.example/>; rel=\"stylesheet\"")])),
        adds_nothing(help(&[("secret", "https://user:password@shop.example")])),
        adds_nothing(help(&[("none", "")])),
    ])
    .await;
}

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

fn request_info(id: &str) -> Any {
    let detail = pb::RequestInfo { request_id: id.to_owned(), serving_data: "canary-data".to_owned() };
    any("google.rpc.RequestInfo", &detail)
}

#[tokio::test]
async fn every_other_detail_shows_its_public_members() {
    let debug = pb::DebugInfo { stack_entries: vec!["canary".to_owned()], detail: "canary".to_owned() };
    check(vec![
        adds(
            bad_request(&[("user_id", "must be positive", "NOT_POSITIVE"), ("payment", "no", "")]),
            json!({ "errors": [
                { "field": "user_id", "detail": "must be positive", "reason": "NOT_POSITIVE" },
                { "field": "payment", "detail": "no" },
            ] }),
        ),
        adds(
            quota_failure(),
            json!({ "quota_violations": [
                {
                    "description": "too many orders", "quota_metric": "orders", "quota_id": "orders-per-minute",
                    "quota_dimensions": { "kind": "new", "region": "eu" }, "quota_value": 10,
                    "future_quota_value": 20,
                },
                { "description": "and again" },
            ] }),
        ),
        adds(
            precondition_failure(),
            json!({ "preconditions": [
                { "type": "TOS", "subject": "shop.example", "description": "terms not accepted" },
            ] }),
        ),
        adds(
            resource_info(),
            json!({ "resource": { "type": "order", "name": "orders/7", "description": "is locked" } }),
        ),
        adds(request_info("upstream-1"), json!({ "upstream_request_id": "upstream-1" })),
        adds_nothing(any("google.rpc.DebugInfo", &debug)),
        adds_nothing(any("shop.internal.Note", &debug)),
        adds_nothing(Any::default()),
    ])
    .await;
}

#[tokio::test]
async fn details_of_all_types_combine() {
    let details = [
        bad_request(&[("payment", "no", "")]),
        error_info("elsewhere", "SOME_REASON", &[]),
        retry_info(2, 0),
        quota_failure(),
        precondition_failure(),
        resource_info(),
        help(&[("more", "https://shop.example/help")]),
        request_info("upstream-1"),
    ];
    for code in CODES {
        let rendered = render_details(code, &details).await;
        let names: Vec<_> =
            rendered.further_members().as_object().unwrap().keys().map(String::to_owned).collect();
        for name in [
            "errors",
            "reason",
            "domain",
            "retry_after_ms",
            "quota_violations",
            "preconditions",
            "resource",
            "links",
            "upstream_request_id",
        ] {
            assert!(names.iter().any(|present| present == name), "{name} is not in {names:?}");
        }
        let link = ("link", "<https://shop.example/help>; rel=\"help\"");
        assert_eq!(rendered.further_headers(), [link, ("retry-after", "2")]);
    }
}

#[tokio::test]
async fn details_of_one_type_add_up_or_the_first_counts() {
    let details = [
        bad_request(&[("a", "1", "")]),
        bad_request(&[("b", "2", "")]),
        retry_info(1, 0),
        retry_info(5, 0),
        retry_info(2, 0),
        help(&[("x", "https://x.example")]),
        help(&[("y", "https://y.example")]),
        request_info("upstream-1"),
        request_info("other"),
        localized("de", "nein"),
    ];
    let rendered = render_details(Code::Unavailable, &details).await;
    assert_eq!(rendered.body["errors"].as_array().unwrap().len(), 2);
    assert_eq!(rendered.header("retry-after"), Some("5"));
    assert_eq!(rendered.headers.get_all("link").iter().count(), 2);
    assert_eq!(rendered.body["upstream_request_id"], "upstream-1");
}

#[tokio::test]
async fn a_violation_points_into_the_request_body_if_there_is_one() {
    let details = [bad_request(&[
        ("order_items[0].unit_price", "too precise", ""),
        ("currency_code", "unknown", "UNKNOWN_CURRENCY"),
        ("payment", "insufficient balance", ""),
    ])];
    let shape = Some(BodyShape { items: 1, ..BodyShape::default() });
    for code in CODES {
        let failed = status(code, "invalid", &details);
        let request = RequestFacts { write: true, shape: shape.clone(), ..RequestFacts::default() };
        assert_eq!(
            render_status(&failed, &request).await.further_members(),
            with_delay_ms(
                code,
                json!({ "errors": [
                {
                    "field": "order_items[0].unit_price", "pointer": "#/order_items/0/unit_price",
                    "detail": "too precise",
                },
                { "field": "currency_code", "pointer": "#", "detail": "unknown", "reason": "UNKNOWN_CURRENCY" },
                { "field": "payment", "detail": "insufficient balance" },
            ] })
            )
        );
        let without_body = render_status(&failed, &RequestFacts::default()).await;
        assert!(!without_body.text.contains("pointer"));
    }
}
