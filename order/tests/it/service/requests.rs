//! Invalid requests: every fault is reported at once, and nothing is saved.

use proto::order::{CreateOrderRequest, GetOrderRequest, ListOrdersRequest, OrderItem};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{
    Client,
    orders::{create, item, money, request},
    start,
};

/// The fields of the violations of an invalid request.
fn fields(status: &Status) -> Vec<String> {
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "invalid request"));
    let details = status.check_error_details().unwrap();
    assert!(details.error_info().is_none(), "an invalid request has no reason");
    let violations = &details.bad_request().unwrap().field_violations;
    assert!(violations.iter().all(|violation| !violation.description.is_empty()));
    violations.iter().map(|violation| violation.field.clone()).collect()
}

async fn faults(client: &Client, request: CreateOrderRequest) -> Vec<String> {
    fields(&create(client, request).await.unwrap_err())
}

async fn count_of(client: &Client, user_id: i64) -> usize {
    let request = ListOrdersRequest { user_id, ..Default::default() };
    client.clone().list(request).await.unwrap().into_inner().orders.len()
}

#[tokio::test]
async fn every_fault_is_reported_at_once_and_nothing_is_saved() {
    let (client, payment, _order) = start().await;
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
    assert_eq!(faults(&client, bad).await, expected);
    assert_eq!((count_of(&client, 123).await, payment.calls().len()), (0, 0));
}

#[tokio::test]
async fn violations_that_do_not_fit_are_counted() {
    let (client, _payment, _order) = start().await;
    let bad = CreateOrderRequest { order_items: vec![item("", -0.01, 0); 100], ..request() };
    let status = create(&client, bad).await.unwrap_err();
    assert!(status.details().len() < 5_000, "too long for a header: {}", status.details().len());
    let mut named = fields(&status);
    assert_eq!(named.pop().as_deref(), Some("order_items"));
    assert!(named.len() > 40, "{}", named.len());
    assert_eq!(named[39], "order_items[13].product_code");
    let details = status.check_error_details().unwrap();
    let last = details.bad_request().unwrap().field_violations.last().cloned().unwrap();
    assert_eq!(last.description, format!("and {} more faults", 300 - named.len()));
}

#[tokio::test]
async fn item_count_total_currency_and_key_are_bounded() {
    let (client, payment, _order) = start().await;
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
        assert_eq!(faults(&client, with(items)).await, ["order_items"]);
    }
    for code in ["XXX", "usd"] {
        let unknown = CreateOrderRequest { currency_code: code.to_owned(), ..request() };
        assert_eq!(faults(&client, unknown).await, ["currency_code"]);
    }
    let long = CreateOrderRequest { idempotency_key: "k".repeat(256), ..request() };
    assert_eq!(faults(&client, long).await, ["idempotency_key"]);
    assert_eq!((count_of(&client, 123).await, payment.calls().len()), (0, 0));
    assert!(create(&client, with(vec![largest])).await.is_ok());
    assert!(create(&client, with(vec![item("a", 0.01, 1); 100])).await.is_ok());
}

#[tokio::test]
async fn invalid_get_and_list_report_their_fields() {
    let (client, _payment, _order) = start().await;
    let get = async |order_id, user_id| {
        fields(&client.clone().get(GetOrderRequest { order_id, user_id }).await.unwrap_err())
    };
    assert_eq!(get(0, -1).await, ["order_id", "user_id"]);
    assert_eq!(get(-7, 0).await, ["order_id"]);
    let request = ListOrdersRequest { user_id: 0, page_size: -1, page_token: "x".to_owned() };
    let listed = client.clone().list(request).await.unwrap_err();
    assert_eq!(fields(&listed), ["user_id", "page_size", "page_token"]);
}

#[tokio::test]
async fn message_over_the_size_limit_is_resource_exhausted() {
    let (client, payment, _order) = start().await;
    let long = CreateOrderRequest { order_items: vec![item(&"x".repeat(2 << 20), 1.0, 1)], ..request() };
    let status = create(&client, long).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!((count_of(&client, 123).await, payment.calls().len()), (0, 0));
}
