//! The gateway in front of an Order server of the old contract, which answers little: that little is enough.

use proto::order::{CreateOrderResponse, GetOrderResponse, OrderItem};
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{backend::scripted::Scripted, front::Front, support::order_body};

#[tokio::test]
async fn a_placed_order_is_its_id_and_what_the_request_said() {
    let order = Scripted::start().await;
    let gateway = Front::of(order.address).await;
    order.create(CreateOrderResponse { order_id: 12, ..CreateOrderResponse::default() });
    let answer = gateway.client.post(order_body(123, json!(0.12))).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (201, "/orders/12"));
    assert_eq!(answer.header("idempotent-replayed"), "");
    assert_eq!(
        answer.json(),
        json!({
            "order_id": 12, "user_id": 123, "currency": "USD", "total_price": 0.12,
            "order_items": [{ "product_code": "sku1", "unit_price": 0.12, "quantity": 1 }],
        })
    );
}

#[tokio::test]
async fn the_total_is_that_of_the_request_to_the_cent() {
    let order = Scripted::start().await;
    let gateway = Front::of(order.address).await;
    order.create(CreateOrderResponse { order_id: 12, ..CreateOrderResponse::default() });
    let body = json!({ "user_id": 123, "currency": "EUR", "order_items": [
        { "product_code": "a", "unit_price": "0.10", "quantity": 3 },
        { "product_code": "b", "unit_price": 16777216.01, "quantity": 1 },
    ] });
    let answer = gateway.client.post(body).await;
    assert_eq!(answer.status.as_u16(), 201);
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.contains("\"total_price\":16777216.31") && text.contains("\"currency\":\"EUR\""), "{text}");
}

#[tokio::test]
async fn an_old_server_is_sent_the_floats_that_it_reads() {
    let order = Scripted::start().await;
    let gateway = Front::of(order.address).await;
    order.create(CreateOrderResponse { order_id: 12, ..CreateOrderResponse::default() });
    gateway.client.post(order_body(123, json!("0.12"))).await;
    let created = order.created();
    let item = &created.order_items[0];
    assert_eq!((created.user_id, item.product_code.as_str(), item.quantity), (123, "sku1", 1));
    assert_eq!(item.unit_price.to_bits(), 0.12_f32.to_bits());
}

#[tokio::test]
async fn a_read_order_is_its_items_and_what_follows_from_them() {
    let order = Scripted::start().await;
    let gateway = Front::of(order.address).await;
    let item = |code: &str, unit_price, quantity| OrderItem {
        product_code: code.to_owned(),
        unit_price,
        quantity,
        ..OrderItem::default()
    };
    let order_items = vec![item("sku1", 0.12, 1), item("sku2", 10.0, 2)];
    order.get(GetOrderResponse { user_id: 123, order_items, ..GetOrderResponse::default() });
    let answer = gateway.client.get("/orders/12").await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(
        answer.json(),
        json!({
            "order_id": 12, "user_id": 123, "currency": "USD", "total_price": 20.12,
            "order_items": [
                { "product_code": "sku1", "unit_price": 0.12, "quantity": 1 },
                { "product_code": "sku2", "unit_price": 10.00, "quantity": 2 },
            ],
        })
    );
}

#[tokio::test]
async fn an_old_refusal_is_told_field_by_field() {
    let order = Scripted::start().await;
    let gateway = Front::of(order.address).await;
    let details = ErrorDetails::with_bad_request_violation("payment", "insufficient balance");
    order.fail(&Status::with_error_details(Code::InvalidArgument, "order creation failed", details));
    let answer = gateway.client.post(order_body(123, json!(0.12))).await;
    let problem = answer.problem();
    assert_eq!((answer.status.as_u16(), &problem["detail"]), (400, &json!("order creation failed")));
    assert_eq!(problem["errors"], json!([{ "field": "payment", "detail": "insufficient balance" }]));
}

/// A gateway that takes orders without prices, before an Order that knows no price lists: nothing is given away.
#[tokio::test]
async fn a_price_that_is_left_out_is_no_price_of_0_to_an_old_server() {
    let order = Scripted::start().await;
    let gateway = Front::with(order.address, &[("PRICE_LIST", "database")]).await;
    order.create(CreateOrderResponse { order_id: 12, ..CreateOrderResponse::default() });
    let body = json!({ "user_id": 123, "order_items": [{ "product_code": "sku1", "quantity": 1 }] });
    let problem = gateway.client.post(body).await.problem();
    assert_eq!((&problem["status"], &problem["order_id"]), (&json!(504), &json!(12)));
    let created = order.created();
    assert!(created.order_items[0].unit_price.is_nan() && created.order_items[0].price_from_list);
}

/// An Order that keeps no list says that the price is missing, of an object that the body has.
#[tokio::test]
async fn a_price_that_order_misses_points_to_the_item_that_lacks_it() {
    let order = Scripted::start().await;
    let gateway = Front::with(order.address, &[("PRICE_LIST", "database")]).await;
    let details = ErrorDetails::with_bad_request_violation("order_items[0].unit_price", "is missing");
    order.fail(&Status::with_error_details(Code::InvalidArgument, "invalid request", details));
    let body = json!({ "user_id": 123, "order_items": [{ "product_code": "sku1", "quantity": 1 }] });
    let problem = gateway.client.post(body).await.problem();
    assert_eq!(problem["errors"][0]["pointer"], "#/order_items/0");
}
