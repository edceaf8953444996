//! The gateway in front of an Order server of the old contract, whose responses hold few fields.

use proto::order::{CreateOrderResponse, GetOrderResponse, OrderItem};
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{backend::scripted::ScriptedOrder, gateway_fixture::GatewayFixture, support::order_body};

#[tokio::test]
async fn created_order_is_the_id_and_the_request() {
    let order = ScriptedOrder::start().await;
    let gateway = GatewayFixture::start(order.address).await;
    order.set_create(CreateOrderResponse { order_id: 12, ..CreateOrderResponse::default() });
    let response = gateway.client.post(order_body(123, json!(0.12))).await;
    assert_eq!((response.status.as_u16(), response.header("location")), (201, "/orders/12"));
    assert_eq!(response.header("idempotent-replayed"), "");
    assert_eq!(
        response.json(),
        json!({
            "order_id": 12, "user_id": 123, "currency": "USD", "total_price": 0.12, "total_price_text": "0.12",
            "order_items": [
                { "product_code": "sku1", "unit_price": 0.12, "unit_price_text": "0.12", "quantity": 1 },
            ],
        })
    );
}

#[tokio::test]
async fn created_total_is_exact_to_the_minor_unit() {
    let order = ScriptedOrder::start().await;
    let gateway = GatewayFixture::start(order.address).await;
    order.set_create(CreateOrderResponse { order_id: 12, ..CreateOrderResponse::default() });
    let body = json!({ "user_id": 123, "currency": "EUR", "order_items": [
        { "product_code": "a", "unit_price": "0.10", "quantity": 3 },
        { "product_code": "b", "unit_price": 16777216.01, "quantity": 1 },
    ] });
    let response = gateway.client.post(body).await;
    assert_eq!(response.status.as_u16(), 201);
    let text = String::from_utf8(response.body.to_vec()).unwrap();
    assert!(text.contains("\"total_price\":16777216.31") && text.contains("\"currency\":\"EUR\""), "{text}");
}

#[tokio::test]
async fn old_server_gets_unit_prices_as_floats() {
    let order = ScriptedOrder::start().await;
    let gateway = GatewayFixture::start(order.address).await;
    order.set_create(CreateOrderResponse { order_id: 12, ..CreateOrderResponse::default() });
    gateway.client.post(order_body(123, json!("0.12"))).await;
    let created = order.last_create();
    let item = &created.order_items[0];
    assert_eq!((created.user_id, item.product_code.as_str(), item.quantity), (123, "sku1", 1));
    assert_eq!(item.unit_price.to_bits(), 0.12_f32.to_bits());
}

#[tokio::test]
async fn read_order_is_derived_from_its_items() {
    let order = ScriptedOrder::start().await;
    let gateway = GatewayFixture::start(order.address).await;
    let item = |code: &str, unit_price, quantity| OrderItem {
        product_code: code.to_owned(),
        unit_price,
        quantity,
        ..OrderItem::default()
    };
    let order_items = vec![item("sku1", 0.12, 1), item("sku2", 10.0, 2)];
    order.set_get(GetOrderResponse { user_id: 123, order_items, ..GetOrderResponse::default() });
    let response = gateway.client.get("/orders/12").await;
    assert_eq!(response.status.as_u16(), 200);
    assert_eq!(
        response.json(),
        json!({
            "order_id": 12, "user_id": 123, "currency": "USD", "total_price": 20.12, "total_price_text": "20.12",
            "order_items": [
                { "product_code": "sku1", "unit_price": 0.12, "unit_price_text": "0.12", "quantity": 1 },
                { "product_code": "sku2", "unit_price": 10.00, "unit_price_text": "10.00", "quantity": 2 },
            ],
        })
    );
}

#[tokio::test]
async fn old_status_maps_to_field_errors() {
    let order = ScriptedOrder::start().await;
    let gateway = GatewayFixture::start(order.address).await;
    let details = ErrorDetails::with_bad_request_violation("payment", "insufficient balance");
    order.fail_all(&Status::with_error_details(Code::InvalidArgument, "order creation failed", details));
    let response = gateway.client.post(order_body(123, json!(0.12))).await;
    let problem = response.problem();
    assert_eq!((response.status.as_u16(), &problem["detail"]), (400, &json!("order creation failed")));
    assert_eq!(problem["errors"], json!([{ "field": "payment", "detail": "insufficient balance" }]));
}

/// The gateway allows missing prices, but Order supports no price list: the order must not become
/// free.
#[tokio::test]
async fn missing_price_reaches_an_old_server_as_nan() {
    let order = ScriptedOrder::start().await;
    let gateway = GatewayFixture::start_with(order.address, &[("PRICE_LIST", "database")]).await;
    order.set_create(CreateOrderResponse { order_id: 12, ..CreateOrderResponse::default() });
    let body = json!({ "user_id": 123, "order_items": [{ "product_code": "sku1", "quantity": 1 }] });
    let problem = gateway.client.post(body).await.problem();
    assert_eq!((&problem["status"], &problem["order_id"]), (&json!(504), &json!(12)));
    let created = order.last_create();
    assert!(created.order_items[0].unit_price.is_nan() && created.order_items[0].price_from_list);
}

/// Order has no price list and reports the price as missing.
#[tokio::test]
async fn missing_price_reported_by_order_points_to_the_item() {
    let order = ScriptedOrder::start().await;
    let gateway = GatewayFixture::start_with(order.address, &[("PRICE_LIST", "database")]).await;
    let details = ErrorDetails::with_bad_request_violation("order_items[0].unit_price", "is missing");
    order.fail_all(&Status::with_error_details(Code::InvalidArgument, "invalid request", details));
    let body = json!({ "user_id": 123, "order_items": [{ "product_code": "sku1", "quantity": 1 }] });
    let problem = gateway.client.post(body).await.problem();
    assert_eq!(problem["errors"][0]["pointer"], "#/order_items/0");
}
