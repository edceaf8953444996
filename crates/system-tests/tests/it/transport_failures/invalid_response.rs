//! Unusable responses: oversized, not gRPC, undecodable or inconsistent. The call may have run.

use bytes::Bytes;
use grpc_client::RESPONSE_BYTES_MAX;
use http::StatusCode;
use proto::{
    google_type::Money,
    order::{CreateOrderResponse, GetOrderResponse, ListOrdersResponse, OrderItem, OrderStatus},
};

use super::{BAD_GATEWAY, NOT_STARTED, OUTCOME_UNKNOWN, assert_failure, assert_failures};
use crate::{
    backend::{
        frames::{Action, FrameServer},
        http2::{self, BoxResponse, Http2Server, framed},
        scripted::ScriptedOrder,
    },
    gateway_fixture::{GatewayFixture, Operation},
    log_capture::LogCapture,
};

const UNUSABLE: [super::ExpectedProblem; 2] = [OUTCOME_UNKNOWN, BAD_GATEWAY];
/// How the log names an unusable response.
const INVALID: &str = "InvalidResponse";
const OK: &[(&str, &str)] = &[("grpc-status", "0")];

/// Asserts that the gateway treats these responses of Order as unusable.
async fn assert_unusable(failure: &str, response: impl Fn() -> BoxResponse + Send + Sync + 'static) {
    let log = LogCapture::start();
    let order = Http2Server::responding(response).await;
    let gateway = GatewayFixture::start(order.address).await;
    assert_failures(&gateway, &log, UNUSABLE, failure).await;
}

#[tokio::test]
async fn response_over_the_size_limit() {
    let too_large = framed(&vec![0; RESPONSE_BYTES_MAX]);
    assert_unusable("ResponseTooLarge", move || http2::grpc(too_large.clone(), OK)).await;
}

#[tokio::test]
async fn list_page_over_the_size_limit() {
    let log = LogCapture::start();
    let order = ScriptedOrder::start().await;
    let item = OrderItem { product_code: "x".repeat(RESPONSE_BYTES_MAX / 16), ..OrderItem::default() };
    let stored = GetOrderResponse { order_items: vec![item], ..GetOrderResponse::default() };
    order.set_list(ListOrdersResponse { orders: vec![stored; 17], next_page_token: String::new() });
    let gateway = GatewayFixture::start(order.address).await;
    assert_failure(&gateway, &log, Operation::List, BAD_GATEWAY, "ResponseTooLarge").await;
}

#[tokio::test]
async fn response_that_is_not_grpc() {
    for status in [200, 400, 401, 404, 429, 502, 503, 504] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_unusable(INVALID, move || http2::plain(status, "text/html", "<h1>canary</h1>")).await;
    }
    assert_unusable(INVALID, || http2::plain(StatusCode::BAD_GATEWAY, "application/grpc", "canary")).await;
}

#[tokio::test]
async fn http_1_server() {
    let log = LogCapture::start();
    let order = FrameServer::start(Action::Http1).await;
    let gateway = GatewayFixture::start(order.address).await;
    // The connection fails before the gateway sends a request.
    assert_failures(&gateway, &log, [NOT_STARTED; 2], "NeverRan").await;
}

#[tokio::test]
async fn undecodable_message_or_frame() {
    let message = framed(b"\xff\xff\xff canary");
    assert_unusable(INVALID, move || http2::grpc(message.clone(), OK)).await;
    for frame in
        [&b"\x07\0\0\0\0"[..], b"\x01\0\0\0\x01x", b"\0\xff\xff\xff\xff", b"\0\0\0\0\x09canary", b"\0\0"]
    {
        assert_unusable(INVALID, move || http2::grpc(Bytes::from_static(frame), OK)).await;
    }
}

#[tokio::test]
async fn message_without_status() {
    assert_unusable(INVALID, || http2::grpc(framed(b""), &[])).await;
    assert_unusable(INVALID, || http2::status(&[])).await;
}

#[tokio::test]
async fn status_without_message() {
    assert_unusable(INVALID, || http2::grpc("", OK)).await;
    let trailers_only = || http2::status(&[("grpc-status", "0"), ("grpc-message", "canary")]);
    assert_unusable(INVALID, trailers_only).await;
}

/// A valid response of the current contract.
fn valid() -> GetOrderResponse {
    GetOrderResponse {
        user_id: 123,
        order_items: Vec::new(),
        order_id: 7,
        status: OrderStatus::Paid.into(),
        total: Some(Money { currency_code: "USD".to_owned(), units: 1, nanos: 0 }),
        create_time: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
        decline_reason: String::new(),
    }
}

#[tokio::test]
async fn inconsistent_create_response() {
    let log = LogCapture::start();
    let order = ScriptedOrder::start().await;
    let gateway = GatewayFixture::start(order.address).await;
    let GetOrderResponse { status, total, create_time, .. } = valid();
    let placed =
        CreateOrderResponse { order_id: 7, status, total, create_time, ..CreateOrderResponse::default() };
    let money = |currency: &str, nanos| Some(Money { currency_code: currency.to_owned(), units: 1, nanos });
    for invalid in [
        CreateOrderResponse { order_id: 0, ..placed.clone() },
        CreateOrderResponse::default(),
        CreateOrderResponse { order_id: -1, ..placed.clone() },
        CreateOrderResponse { order_id: 1 << 53, ..placed.clone() },
        CreateOrderResponse { status: 99, ..placed.clone() },
        CreateOrderResponse { total: money("EUR", 0), ..placed.clone() },
        CreateOrderResponse { total: money("canary", 0), ..placed.clone() },
        CreateOrderResponse { total: money("USD", 1), ..placed.clone() },
        CreateOrderResponse { create_time: None, ..placed.clone() },
    ] {
        order.set_create(invalid);
        assert_failure(&gateway, &log, Operation::Create, OUTCOME_UNKNOWN, INVALID).await;
    }
}

#[tokio::test]
async fn inconsistent_get_response() {
    let log = LogCapture::start();
    let order = ScriptedOrder::start().await;
    let gateway = GatewayFixture::start(order.address).await;
    let item = |quantity| OrderItem {
        product_code: "sku1".to_owned(),
        unit_price: 0.5,
        quantity,
        ..OrderItem::default()
    };
    for invalid in [
        GetOrderResponse { order_id: 8, ..valid() },
        GetOrderResponse { user_id: 0, ..valid() },
        GetOrderResponse { total: None, order_items: vec![item(1)], ..valid() },
        GetOrderResponse {
            create_time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
            ..valid()
        },
        GetOrderResponse { order_items: vec![item(0)], ..valid() },
        GetOrderResponse { order_items: vec![OrderItem { unit_price: f32::NAN, ..item(1) }], ..valid() },
        GetOrderResponse { order_items: vec![OrderItem { unit_price: -1.0, ..item(1) }], ..valid() },
    ] {
        order.set_get(invalid.clone());
        assert_failure(&gateway, &log, Operation::Get, BAD_GATEWAY, INVALID).await;
        let listed = GetOrderResponse { order_id: if invalid.order_id == 8 { 0 } else { 7 }, ..invalid };
        order.set_list(ListOrdersResponse { orders: vec![valid(), listed], ..ListOrdersResponse::default() });
        assert_failure(&gateway, &log, Operation::List, BAD_GATEWAY, INVALID).await;
    }
}
