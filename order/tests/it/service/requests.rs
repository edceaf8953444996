//! Requests that are wrong in themselves: every fault is named at once, and nothing is saved.

use proto::order::{CreateOrderRequest, GetOrderRequest, ListOrdersRequest, OrderItem};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{
    Client, house,
    orders::{create, item, money, request},
};

/// The fields that a refused request is told of.
fn fields(status: &Status) -> Vec<String> {
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "invalid request"));
    let details = status.check_error_details().unwrap();
    assert!(details.error_info().is_none(), "no reason: the request itself is wrong");
    let violations = &details.bad_request().unwrap().field_violations;
    assert!(violations.iter().all(|violation| !violation.description.is_empty()));
    violations.iter().map(|violation| violation.field.clone()).collect()
}

async fn refused(client: &Client, request: CreateOrderRequest) -> Vec<String> {
    fields(&create(client, request).await.unwrap_err())
}

async fn count_of(client: &Client, user_id: i64) -> usize {
    let asked = ListOrdersRequest { user_id, ..Default::default() };
    client.clone().list(asked).await.unwrap().into_inner().orders.len()
}

#[tokio::test]
async fn every_fault_is_named_at_once_and_nothing_is_saved() {
    let (client, payment, _house) = house().await;
    let bad = CreateOrderRequest {
        user_id: -1,
        order_items: vec![
            item("", -0.01, 0),
            item("sku1", 0.001, 1_000_001),
            item("a\0b", f32::NAN, -1),
            OrderItem { price: Some(money("EUR", 1, 0)), ..item("sku1", 1.0, 1) },
            OrderItem { price: Some(money("USD", 0, 1)), ..item(&"x".repeat(101), 1.0, 1) },
            item("sku1", f32::INFINITY, 1),
            item("sku1", 1.0, 1),
        ],
        currency_code: "USD".to_owned(),
        idempotency_key: "no spaces".to_owned(),
    };
    let expected = [
        "user_id",
        "idempotency_key",
        "order_items[0].product_code",
        "order_items[0].unit_price",
        "order_items[0].quantity",
        "order_items[1].unit_price",
        "order_items[1].quantity",
        "order_items[2].product_code",
        "order_items[2].unit_price",
        "order_items[2].quantity",
        "order_items[3].price",
        "order_items[4].product_code",
        "order_items[4].price",
        "order_items[5].unit_price",
    ];
    assert_eq!(refused(&client, bad).await, expected);
    assert_eq!((count_of(&client, 123).await, payment.calls().len()), (0, 0));
}

#[tokio::test]
async fn faults_beyond_what_an_answer_can_hold_are_counted() {
    let (client, _payment, _house) = house().await;
    let bad = CreateOrderRequest { order_items: vec![item("", -0.01, 0); 100], ..request() };
    let status = create(&client, bad).await.unwrap_err();
    assert!(status.details().len() < 5_000, "clients take no longer headers: {}", status.details().len());
    let mut named = fields(&status);
    assert_eq!(named.pop().as_deref(), Some("order_items"));
    assert!(named.len() > 40, "{}", named.len());
    assert_eq!(named[39], "order_items[13].product_code");
    let details = status.check_error_details().unwrap();
    let last = details.bad_request().unwrap().field_violations.last().cloned().unwrap();
    assert_eq!(last.description, format!("and {} more faults", 300 - named.len()));
}

#[tokio::test]
async fn an_order_as_a_whole_has_bounds() {
    let (client, payment, _house) = house().await;
    let with = |items: Vec<OrderItem>| CreateOrderRequest { order_items: items, ..request() };
    let largest =
        OrderItem { price: Some(money("USD", 90_071_992_547_409, 910_000_000)), ..item("a", 0.0, 1) };
    for items in [
        vec![],
        vec![item("a", 0.01, 1); 101],
        vec![item("a", 0.0, 1)],
        vec![largest.clone(), item("b", 0.01, 1)],
        vec![OrderItem { quantity: 2, ..largest.clone() }],
    ] {
        assert_eq!(refused(&client, with(items)).await, ["order_items"]);
    }
    let unknown = CreateOrderRequest { currency_code: "XXX".to_owned(), ..request() };
    assert_eq!(refused(&client, unknown).await, ["currency_code"]);
    let long = CreateOrderRequest { idempotency_key: "k".repeat(256), ..request() };
    assert_eq!(refused(&client, long).await, ["idempotency_key"]);
    assert_eq!((count_of(&client, 123).await, payment.calls().len()), (0, 0));
    assert!(create(&client, with(vec![largest])).await.is_ok());
    assert!(create(&client, with(vec![item("a", 0.01, 1); 100])).await.is_ok());
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused_by_field() {
    let (client, _payment, _house) = house().await;
    let get = async |order_id, user_id| {
        fields(&client.clone().get(GetOrderRequest { order_id, user_id }).await.unwrap_err())
    };
    assert_eq!(get(0, -1).await, ["order_id", "user_id"]);
    assert_eq!(get(-7, 0).await, ["order_id"]);
    let asked = ListOrdersRequest { user_id: 0, page_size: -1, page_token: "x".to_owned() };
    let listed = client.clone().list(asked).await.unwrap_err();
    assert_eq!(fields(&listed), ["user_id", "page_size", "page_token"]);
}

#[tokio::test]
async fn a_message_that_is_too_long_is_out_of_range() {
    let (client, payment, _house) = house().await;
    let long = CreateOrderRequest { order_items: vec![item(&"x".repeat(2 << 20), 1.0, 1)], ..request() };
    let status = create(&client, long).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    assert_eq!((count_of(&client, 123).await, payment.calls().len()), (0, 0));
}
