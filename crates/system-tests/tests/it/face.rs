//! What browsers and caches meet.

use http::Method;
use prost_types::Timestamp;
use proto::{
    google_type::Money,
    order::{GetOrderResponse, OrderItem, OrderStatus},
};
use tonic::Status;

use crate::{
    backend::scripted::Scripted,
    front::{Front, ORDER_ID},
    support::Answer,
};

mod caching;
mod compression;
mod cors;
mod waiting;

/// Order's answer about an order with this status.
fn order(status: OrderStatus) -> GetOrderResponse {
    let cents = |nanos| Money { currency_code: "USD".to_owned(), units: 0, nanos };
    let item = OrderItem {
        product_code: "sku1".to_owned(),
        quantity: 1,
        price: Some(cents(120_000_000)),
        ..OrderItem::default()
    };
    GetOrderResponse {
        user_id: 123,
        order_id: ORDER_ID,
        status: status.into(),
        order_items: vec![item],
        total: Some(cents(120_000_000)),
        create_time: Some(Timestamp { seconds: 1_800_000_000, nanos: 0 }),
        ..GetOrderResponse::default()
    }
}

/// A gateway with these variables, and an Order that knows one order with this status.
async fn rig(status: OrderStatus, vars: &[(&str, &str)]) -> (Scripted, Front) {
    let backend = Scripted::start().await;
    backend.fail(&Status::not_found("there is no such order"));
    backend.get(order(status));
    let front = Front::with(backend.address, vars).await;
    (backend, front)
}

/// Reads the one order.
async fn read(front: &Front, headers: &[(&str, &str)]) -> Answer {
    front.client.send(Method::GET, &format!("/orders/{ORDER_ID}"), headers, "").await
}

#[tokio::test]
async fn every_answer_tells_browsers_what_they_may_do_with_it() {
    let (_order, front) = rig(OrderStatus::Pending, &[("PUBLIC_URL", "http://shop.example")]).await;
    for path in [
        "/orders/7",
        "/orders/x",
        "/nothing",
        "/livez",
        "/docs",
        "/docs/swagger-ui.css",
        "/openapi.json",
        "/problems/",
    ] {
        let answer = front.client.get(path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("strict-transport-security", ""),
        ] {
            assert_eq!(answer.header(name), value, "{name} of {path}");
            assert!(answer.headers.get_all(name).iter().count() < 2, "{name} of {path}");
        }
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; ") && policy.ends_with("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
}

#[tokio::test]
async fn only_a_gateway_that_is_reached_by_tls_asks_for_tls() {
    let (_order, front) = rig(OrderStatus::Pending, &[("PUBLIC_URL", "HTTPS://shop.example")]).await;
    for path in ["/orders/7", "/nothing", "/docs"] {
        let answer = front.client.get(path).await;
        assert_eq!(answer.header("strict-transport-security"), "max-age=31536000", "{path}");
    }
}
