//! Answers that cannot be used: too large, no gRPC, no protobuf, no sense. The call may have run, or did.

use bytes::Bytes;
use grpc_client::RESPONSE_BYTES_MAX;
use http::StatusCode;
use proto::{
    google_type::Money,
    order::{CreateOrderResponse, GetOrderResponse, ListOrdersResponse, OrderItem, OrderStatus},
};

use super::{BAD_GATEWAY, NOT_STARTED, OUTCOME_UNKNOWN, hold, hold_every};
use crate::{
    backend::{
        frames::{Frames, Then},
        http2::{self, Http2, framed},
        scripted::Scripted,
    },
    front::{Ask, Front},
    log::Log,
};

const UNUSABLE: [super::Told; 2] = [OUTCOME_UNKNOWN, BAD_GATEWAY];
const OK: &[(&str, &str)] = &[("grpc-status", "0")];

async fn is_unusable(order: &Http2, failure: &str) {
    let log = Log::keep();
    let gateway = Front::of(order.address).await;
    hold_every(&gateway, &log, UNUSABLE, failure).await;
}

#[tokio::test]
async fn an_answer_over_the_size_limit() {
    let too_much = framed(&vec![0; RESPONSE_BYTES_MAX]);
    is_unusable(&Http2::answering(move || http2::grpc(too_much.clone(), OK)).await, "TooLarge").await;
}

#[tokio::test]
async fn a_page_over_the_size_limit() {
    let log = Log::keep();
    let order = Scripted::start().await;
    let item = OrderItem { product_code: "x".repeat(RESPONSE_BYTES_MAX / 16), ..OrderItem::default() };
    let stored = GetOrderResponse { order_items: vec![item], ..GetOrderResponse::default() };
    order.list(ListOrdersResponse { orders: vec![stored; 17], next_page_token: String::new() });
    let gateway = Front::of(order.address).await;
    hold(&gateway, &log, Ask::List, BAD_GATEWAY, "TooLarge").await;
}

#[tokio::test]
async fn a_web_page() {
    let page = || http2::plain(StatusCode::OK, "text/html", "<h1>canary</h1>");
    is_unusable(&Http2::answering(page).await, "NotGrpc").await;
}

#[tokio::test]
async fn the_error_of_a_proxy() {
    for status in [400, 401, 404, 429, 502, 503, 504] {
        let status = StatusCode::from_u16(status).unwrap();
        let page = move || http2::plain(status, "text/html", "canary");
        is_unusable(&Http2::answering(page).await, "NotGrpc").await;
    }
    let named = || http2::plain(StatusCode::BAD_GATEWAY, "application/grpc", "canary");
    is_unusable(&Http2::answering(named).await, "NotGrpc").await;
}

#[tokio::test]
async fn a_peer_that_speaks_http_1() {
    let log = Log::keep();
    let order = Frames::start(Then::Http1).await;
    let gateway = Front::of(order.address).await;
    // It is found out before a request is sent to it.
    hold_every(&gateway, &log, [NOT_STARTED; 2], "NeverRan").await;
}

#[tokio::test]
async fn a_message_that_does_not_decode() {
    let message = framed(b"\xff\xff\xff canary");
    is_unusable(&Http2::answering(move || http2::grpc(message.clone(), OK)).await, "NotGrpc").await;
}

#[tokio::test]
async fn a_frame_that_is_none() {
    for frame in
        [&b"\x07\0\0\0\0"[..], b"\x01\0\0\0\x01x", b"\0\xff\xff\xff\xff", b"\0\0\0\0\x09canary", b"\0\0"]
    {
        let frame = Bytes::from_static(frame);
        is_unusable(&Http2::answering(move || http2::grpc(frame.clone(), OK)).await, "NotGrpc").await;
    }
}

#[tokio::test]
async fn an_answer_without_a_status() {
    let message = framed(b"");
    is_unusable(&Http2::answering(move || http2::grpc(message.clone(), &[])).await, "NotGrpc").await;
    is_unusable(&Http2::answering(|| http2::status(&[])).await, "NotGrpc").await;
}

#[tokio::test]
async fn a_status_without_an_answer() {
    is_unusable(&Http2::answering(|| http2::grpc("", OK)).await, "NotGrpc").await;
    is_unusable(&Http2::answering(|| http2::status(OK)).await, "NotGrpc").await;
}

/// What a server of the present contract says of an order.
fn sound() -> GetOrderResponse {
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
async fn an_order_placed_in_a_way_that_makes_no_sense() {
    let log = Log::keep();
    let order = Scripted::start().await;
    let gateway = Front::of(order.address).await;
    let GetOrderResponse { status, total, create_time, .. } = sound();
    let placed =
        CreateOrderResponse { order_id: 7, status, total, create_time, ..CreateOrderResponse::default() };
    let money = |currency: &str, nanos| Some(Money { currency_code: currency.to_owned(), units: 1, nanos });
    for nonsense in [
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
        order.create(nonsense);
        hold(&gateway, &log, Ask::Post, OUTCOME_UNKNOWN, "NotGrpc").await;
    }
}

#[tokio::test]
async fn an_order_read_in_a_way_that_makes_no_sense() {
    let log = Log::keep();
    let order = Scripted::start().await;
    let gateway = Front::of(order.address).await;
    let item = |quantity| OrderItem {
        product_code: "sku1".to_owned(),
        unit_price: 0.5,
        quantity,
        ..OrderItem::default()
    };
    for nonsense in [
        GetOrderResponse { order_id: 8, ..sound() },
        GetOrderResponse { user_id: 0, ..sound() },
        GetOrderResponse { status: 99, ..sound() },
        GetOrderResponse { total: None, status: 0, ..sound() },
        GetOrderResponse {
            create_time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
            ..sound()
        },
        GetOrderResponse { order_items: vec![item(0)], ..sound() },
        GetOrderResponse { order_items: vec![OrderItem { unit_price: f32::NAN, ..item(1) }], ..sound() },
        GetOrderResponse { order_items: vec![OrderItem { unit_price: -1.0, ..item(1) }], ..sound() },
    ] {
        order.get(nonsense.clone());
        hold(&gateway, &log, Ask::Get, BAD_GATEWAY, "NotGrpc").await;
        let listed = GetOrderResponse { order_id: if nonsense.order_id == 8 { 0 } else { 7 }, ..nonsense };
        order.list(ListOrdersResponse { orders: vec![sound(), listed], ..ListOrdersResponse::default() });
        hold(&gateway, &log, Ask::List, BAD_GATEWAY, "NotGrpc").await;
    }
}
