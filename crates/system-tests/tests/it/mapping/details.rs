//! Every detail type of google.rpc with every code: the members and headers that it adds, and no others.

use prost_types::Any;
use serde_json::{Value, json};

use super::{
    ALL_OPERATIONS, MappingFixture, Operation,
    codes::CODES,
    fixtures::{
        any, bad_request, debug_info, error_info, help, precondition_failure, quota_failure, request_info,
        resource_info, retry_info, unknown,
    },
    status, with_order_id,
};

/// A detail, and all that a problem with it has beyond what every problem has.
struct Case {
    detail: Any,
    members: Value,
    headers: Vec<(&'static str, &'static str)>,
}

/// A detail that adds members alone.
fn adds(detail: Any, members: Value) -> Case {
    Case { detail, members, headers: Vec::new() }
}

/// A detail that adds headers too.
fn adds_headers(detail: Any, members: Value, headers: &[(&'static str, &'static str)]) -> Case {
    Case { detail, members, headers: headers.to_vec() }
}

/// A detail of which the public learns nothing.
fn adds_nothing(detail: Any) -> Case {
    adds(detail, json!({}))
}

fn reasons() -> Vec<Case> {
    let metadata = [("order_id", "8"), ("note", "for operators")];
    let told = |domain, reason| json!({ "domain": domain, "reason": reason });
    vec![
        adds(error_info("order", "SOMETHING_NEW", &metadata), told("order", "SOMETHING_NEW")),
        adds(error_info("payment", "DECLINED", &metadata), told("payment", "DECLINED")),
        // No backend speaks for the gateway.
        adds(error_info("gateway", "NOT_STARTED", &metadata), told("gateway", "NOT_STARTED")),
        adds(error_info("", "PAYMENT_DECLINED", &metadata), json!({ "reason": "PAYMENT_DECLINED" })),
    ]
}

fn delays() -> Vec<Case> {
    let waits = |seconds, nanos, ms: u64, header| {
        let members = json!({ "retry_after_ms": ms });
        adds_headers(retry_info(seconds, nanos), members, &[("retry-after", header)])
    };
    vec![
        waits(0, 0, 0, "1"),
        waits(0, 1_000_000, 1, "1"),
        waits(0, 1, 1, "1"),
        waits(1, 500_000_000, 1500, "2"),
        waits(2, 0, 2000, "2"),
        // The most that a google.protobuf.Duration may be.
        waits(315_576_000_000, 0, 315_576_000_000_000, "315576000000"),
        adds_nothing(retry_info(-1, 0)),
        adds_nothing(retry_info(0, -1)),
        adds_nothing(retry_info(i64::MAX, i32::MAX)),
        adds_nothing(retry_info(i64::MIN, i32::MIN)),
        adds_nothing(any("google.rpc.RetryInfo", &tonic_types::pb::RetryInfo { retry_delay: None })),
    ]
}

fn links() -> Vec<Case> {
    let good = json!({ "title": "more", "href": "https://shop.example/a?b=c#d" });
    vec![
        adds_headers(
            help(&[("more", "https://shop.example/a?b=c#d")]),
            json!({ "links": [good] }),
            &[("link", "<https://shop.example/a?b=c#d>; rel=\"help\"")],
        ),
        adds_headers(
            help(&[("a", "https://a.example"), ("bad", "http://b.example"), ("c", "https://c.example")]),
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
    ]
}

fn others() -> Vec<Case> {
    vec![
        adds(
            quota_failure("customer 123", "orders.internal"),
            json!({ "quota_violations": [{
                "description": "too many orders", "quota_metric": "orders", "quota_id": "orders-per-minute",
                "quota_dimensions": { "region": "eu" }, "quota_value": 10, "future_quota_value": 20,
            }] }),
        ),
        adds(
            precondition_failure(),
            json!({ "preconditions": [
                { "type": "TOS", "subject": "shop.example", "description": "terms not accepted" },
            ] }),
        ),
        adds(
            resource_info("team-7"),
            json!({ "resource": { "type": "order", "name": "orders/7", "description": "is locked" } }),
        ),
        adds(request_info("host 7"), json!({ "upstream_request_id": "upstream-1" })),
        adds_nothing(debug_info("main.rs:7")),
        adds_nothing(unknown("shop.internal.Note", b"for operators")),
        adds_nothing(Any::default()),
    ]
}

/// Asks for every case with every code.
async fn hold(cases: Vec<Case>) {
    let fixture = MappingFixture::start().await;
    for case in cases {
        for code in CODES {
            let failed = status(code.code, "what Order said", std::slice::from_ref(&case.detail));
            for operation in ALL_OPERATIONS {
                let response = fixture.told(operation, &failed).await;
                let place = format!("{:?} on {operation:?} with {:?}", code.code, case.detail);
                assert_eq!(response.status.as_u16(), code.http, "{place}");
                assert_eq!(response.problem()["type"], format!("/problems/{}", code.slug), "{place}");
                assert_eq!(
                    response.further_members(),
                    with_order_id(operation, case.members.clone()),
                    "{place}"
                );
                assert_eq!(response.further_headers(), case.headers, "{place}");
            }
        }
    }
}

#[tokio::test]
async fn an_error_info_that_nobody_registered_is_told_without_its_metadata() {
    hold(reasons()).await;
}

#[tokio::test]
async fn a_retry_info_is_told_in_milliseconds_and_in_seconds_rounded_up() {
    hold(delays()).await;
}

#[tokio::test]
async fn a_help_link_is_told_where_it_is_https_and_nothing_else() {
    hold(links()).await;
}

#[tokio::test]
async fn every_other_detail_is_told_as_far_as_it_is_public() {
    hold(others()).await;
}

#[tokio::test]
async fn a_bad_request_names_fields_and_where_a_body_was_sent_their_place_in_it() {
    let violations = [
        ("user_id", "is unknown", "UNKNOWN_USER", Some("#/user_id")),
        ("order_items", "too many", "", Some("#/order_items")),
        ("order_items[0]", "is odd", "", Some("#/order_items/0")),
        ("order_items[0].unit_price", "is too fine", "", Some("#/order_items/0/unit_price")),
        ("order_items[0].price", "is too fine", "", Some("#/order_items/0/unit_price")),
        ("order_items[0].price.nanos", "is too fine", "", Some("#/order_items/0/unit_price")),
        ("order_items[0].quantity", "is too many", "", Some("#/order_items/0/quantity")),
        ("order_items[0].product_code", "is not sold", "", Some("#/order_items/0/product_code")),
        // The body named no currency: the pointer is that of the object that lacks it.
        ("currency_code", "is not taken", "", Some("#")),
        ("order_items[0].price.currency_code", "is not taken", "", Some("#")),
        ("order_items[1].quantity", "is of no item", "", None),
        ("order_items[0].secret", "is no member", "", None),
        ("order_items[-1]", "is no index", "", None),
        ("order_items[99999999999999999999]", "is no index", "", None),
        ("payment", "insufficient balance", "", None),
        ("made_up.field", "is unknown", "", None),
        ("", "is no field", "", None),
    ];
    let sent: Vec<_> = violations.iter().map(|&(field, detail, reason, _)| (field, detail, reason)).collect();
    let errors = |operation: Operation| -> Value {
        let error = |&(field, detail, reason, pointer): &(&str, &str, &str, Option<&str>)| {
            let mut error = json!({ "field": field, "detail": detail });
            if let Some(pointer) = pointer.filter(|_| operation == Operation::Create) {
                error["pointer"] = json!(pointer);
            }
            if !reason.is_empty() {
                error["reason"] = json!(reason);
            }
            error
        };
        violations.iter().map(error).collect()
    };
    let fixture = MappingFixture::start().await;
    for code in CODES {
        let failed = status(code.code, "bad", &[bad_request(&sent)]);
        for operation in ALL_OPERATIONS {
            let response = fixture.told(operation, &failed).await;
            let members = with_order_id(operation, json!({ "errors": errors(operation) }));
            assert_eq!(response.further_members(), members, "{:?} on {operation:?}", code.code);
            assert_eq!(response.status.as_u16(), code.http);
            assert_eq!(response.further_headers(), []);
        }
    }
}

#[tokio::test]
async fn a_currency_that_the_body_names_is_pointed_at() {
    let fixture = MappingFixture::start().await;
    fixture.order.fail_all(&status(
        tonic::Code::InvalidArgument,
        "bad",
        &[bad_request(&[("currency_code", "no", "")])],
    ));
    let mut body = crate::support::order_body(123, json!("0.12"));
    body["currency"] = json!("EUR");
    let problem = fixture.gateway.client.post(body).await.problem();
    assert_eq!(problem["errors"][0]["pointer"], "#/currency");
}
