//! Response headers for browsers and caches: security headers, CORS, compression, ETags, long
//! polling.

use http::Method;
use prost_types::Timestamp;
use proto::{
    google_type::Money,
    order::{GetOrderResponse, OrderItem, OrderStatus},
};
use tonic::Status;

use crate::{
    backend::scripted::ScriptedOrder,
    gateway_fixture::{GatewayFixture, ORDER_ID},
    support::Response,
};

mod caching;
mod compression;
mod cors;
mod long_poll;

/// Order's `Get` response for an order with this status.
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

/// A gateway with these variables, and an Order with one order in this status.
async fn fixture(status: OrderStatus, vars: &[(&str, &str)]) -> (ScriptedOrder, GatewayFixture) {
    let backend = ScriptedOrder::start().await;
    backend.fail_all(&Status::not_found("there is no such order"));
    backend.set_get(order(status));
    let gateway = GatewayFixture::start_with(backend.address, vars).await;
    (backend, gateway)
}

/// Reads the order.
async fn read(gateway: &GatewayFixture, headers: &[(&str, &str)]) -> Response {
    gateway.client.send(Method::GET, &format!("/orders/{ORDER_ID}"), headers, "").await
}

#[tokio::test]
async fn every_response_has_security_headers() {
    let (_order, gateway) = fixture(OrderStatus::Pending, &[("PUBLIC_URL", "http://shop.example")]).await;
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
        let response = gateway.client.get(path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("strict-transport-security", ""),
        ] {
            assert_eq!(response.header(name), value, "{name} of {path}");
            assert!(response.headers.get_all(name).iter().count() < 2, "{name} of {path}");
        }
        let policy = response.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; ") && policy.ends_with("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
}

#[tokio::test]
async fn hsts_is_sent_for_an_https_public_url_alone() {
    let (_order, gateway) = fixture(OrderStatus::Pending, &[("PUBLIC_URL", "HTTPS://shop.example")]).await;
    for path in ["/orders/7", "/nothing", "/docs"] {
        let response = gateway.client.get(path).await;
        assert_eq!(response.header("strict-transport-security"), "max-age=31536000", "{path}");
    }
}
