//! A service with a price list.

use std::sync::Arc;

use database::DatabaseUrl;
use money::{Currency, Money};
use order::{
    adapters::db::{DbPrices, MIGRATIONS},
    domain::ProductCode,
};
use proto::order::{CreateOrderRequest, GetOrderRequest, OrderItem};
use sqlx::{AnyConnection, Connection, Executor};
use tempfile::TempDir;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{
    Client, RunningOrder,
    fixture::url,
    orders::{create, item, keyed, money, request},
    payment::FakePayment,
    start,
    status_fixture::StatusFixture,
};

/// Loads prices in cents of the dollar, as `order prices load` does.
async fn load(directory: &TempDir, prices: &[(&str, i64)], replace: bool) {
    let config = database::Config::new(DatabaseUrl::parse("sqlite", &url(directory)).unwrap());
    let database = database::Database::open(&config, &MIGRATIONS).await.unwrap();
    let price = |&(code, minor): &(&str, i64)| {
        let code = ProductCode::new(code.to_owned()).unwrap();
        ((code, "USD"), Money::from_minor(Currency::USD, minor).unwrap())
    };
    DbPrices::new(database.clone()).load(prices.iter().map(price).collect(), replace).await.unwrap();
    database.close().await;
}

async fn start_with(prices: &[(&str, i64)]) -> (Client, FakePayment, RunningOrder, Arc<TempDir>) {
    let (directory, payment) = (Arc::new(tempfile::tempdir().unwrap()), FakePayment::start());
    load(&directory, prices, false).await;
    let service = RunningOrder::start_with_prices(directory.clone(), payment.address).await;
    (service.client().await, payment, service, directory)
}

/// An item without a price.
fn unpriced(product_code: &str, quantity: i32) -> OrderItem {
    OrderItem { price_from_list: true, ..item(product_code, 0.0, quantity) }
}

fn with(key: &str, items: Vec<OrderItem>) -> CreateOrderRequest {
    CreateOrderRequest { order_items: items, ..keyed(key) }
}

/// Each violation as field, description and reason.
fn violations(status: &Status) -> Vec<(String, String, String)> {
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "invalid request"));
    let details = status.check_error_details().unwrap();
    assert!(details.error_info().is_none());
    let violations = details.bad_request().unwrap().field_violations.clone();
    violations.into_iter().map(|v| (v.field, v.description, v.reason)).collect()
}

fn violation(field: &str, description: &str, reason: &str) -> (String, String, String) {
    (field.to_owned(), description.to_owned(), reason.to_owned())
}

#[tokio::test]
async fn prices_are_those_of_the_list_with_and_without_one_in_the_request() {
    let (client, payment, _order, _directory) =
        start_with(&[("sku1", 12), ("sku2", 1_999), ("free", 0)]).await;
    let exact = OrderItem { price: Some(money("USD", 19, 990_000_000)), ..item("sku2", 0.0, 1) };
    let request = vec![
        unpriced("sku1", 2),
        exact.clone(),
        item("sku1", 0.12, 1),
        unpriced("free", 1),
        item("free", 0.0, 1),
    ];
    let placed = create(&client, with("k", request)).await.unwrap();
    assert_eq!(placed.total, Some(money("USD", 20, 350_000_000)));
    assert_eq!(payment.calls()[0].0.total, placed.total);
    let get = GetOrderRequest { order_id: placed.order_id, user_id: 0 };
    let stored = client.clone().get(get).await.unwrap().into_inner();
    assert_eq!((&placed.order_items, placed.total), (&stored.order_items, stored.total));
    assert_eq!(
        stored.order_items[0],
        OrderItem { price: Some(money("USD", 0, 120_000_000)), ..item("sku1", 0.12, 2) }
    );
    // A response to a request with every price has no items.
    let priced = create(&client, with("named", vec![item("sku1", 0.12, 1), exact])).await.unwrap();
    assert_eq!(priced.order_items, []);
}

#[tokio::test]
async fn every_pricing_error_is_reported() {
    let (client, payment, _order, _directory) = start_with(&[("sku1", 12), ("sku2", 0)]).await;
    let exact = OrderItem { price: Some(money("USD", 0, 130_000_000)), ..item("sku1", 0.0, 1) };
    let request = vec![
        item("sku1", 0.11, 1),
        exact,
        item("sku1", 0.12, 1),
        unpriced("SKU1", 1),
        item("sku1", 0.0, 1),
        item("x", 1.0, 1),
    ];
    let reported = violations(&create(&client, with("k", request)).await.unwrap_err());
    let price = |index| {
        violation(
            &format!("order_items[{index}].unit_price"),
            "must be 0.12, by the price list",
            "PRICE_MISMATCH",
        )
    };
    let product =
        |index| violation(&format!("order_items[{index}].product_code"), "has no price in USD", "NO_PRICE");
    assert_eq!(reported, [price(0), price(1), product(3), price(4), product(5)]);

    let in_yen =
        CreateOrderRequest { currency_code: "JPY".to_owned(), ..with("k", vec![unpriced("sku1", 1)]) };
    let reported = violations(&create(&client, in_yen).await.unwrap_err());
    assert_eq!(reported, [violation("order_items[0].product_code", "has no price in JPY", "NO_PRICE")]);

    let reported = violations(&create(&client, with("k", vec![unpriced("sku2", 1)])).await.unwrap_err());
    assert_eq!(reported, [violation("order_items", "must come to a total above 0", "")]);
    assert_eq!(payment.calls().len(), 0);
    // The key is still unused.
    assert!(create(&client, with("k", vec![unpriced("sku1", 1)])).await.is_ok());
}

#[tokio::test]
async fn pricing_errors_that_do_not_fit_are_counted() {
    let (client, _payment, _order, _directory) = start_with(&[("sku1", 12)]).await;
    let status = create(&client, with("k", vec![item("sku1", 0.11, 1); 100])).await.unwrap_err();
    assert!(status.details().len() < 5_000, "too long for a header: {}", status.details().len());
    let reported = violations(&status);
    let expected = format!("and {} more faults", 100 - (reported.len() - 1));
    assert!(reported.len() > 30 && reported.last().unwrap().1 == expected, "{reported:?}");
}

#[tokio::test]
async fn replay_does_not_depend_on_the_list() {
    let (client, payment, service, directory) = start_with(&[("sku1", 12)]).await;
    let requests = [with("left", vec![unpriced("sku1", 1)]), with("named", vec![item("sku1", 0.12, 1)])];
    let mut first = Vec::new();
    for request in &requests {
        first.push(create(&client, request.clone()).await.unwrap());
    }
    let repeats = async |client: &Client| {
        for (request, first) in requests.iter().zip(&first) {
            let again = create(client, request.clone()).await.unwrap();
            assert!(again.replayed);
            assert_eq!(
                (again.order_id, again.total, &again.order_items),
                (first.order_id, first.total.clone(), &first.order_items)
            );
        }
    };
    repeats(&client).await;
    load(&directory, &[("sku1", 13)], false).await;
    repeats(&client).await;
    load(&directory, &[("other", 1)], true).await;
    repeats(&client).await;
    // A new order without a listed price is rejected, and the key of the first belongs to its request.
    assert_eq!(
        violations(&create(&client, with("new", vec![unpriced("sku1", 1)])).await.unwrap_err()).len(),
        1
    );
    let reused = StatusFixture::from_status(
        &create(&client, with("left", vec![unpriced("other", 1)])).await.unwrap_err(),
    );
    assert_eq!(reused.reason.unwrap().1, "IDEMPOTENCY_KEY_REUSED");
    drop(client);
    service.stop().await;
    // Without a list, replays still succeed.
    let service = RunningOrder::start_in(directory, payment.address, "development").await;
    repeats(&service.client().await).await;
    assert_eq!(payment.calls().len(), 2);
}

#[tokio::test]
async fn missing_price_is_rejected_without_a_list() {
    let (client, payment, _order) = start().await;
    let missing = "is missing; it must be a decimal number of 0 or more, as there is no price list";
    let reported = violations(
        &create(&client, with("k", vec![item("sku1", 0.12, 1), unpriced("sku1", 1)])).await.unwrap_err(),
    );
    assert_eq!(reported, [violation("order_items[1].unit_price", missing, "")]);
    assert_eq!(payment.calls().len(), 0);
    // An unset price is 0, as in the old contract.
    let free =
        CreateOrderRequest { order_items: vec![item("free", 0.0, 1), item("sku1", 0.12, 1)], ..request() };
    assert_eq!(create(&client, free).await.unwrap().total, Some(money("USD", 0, 120_000_000)));
}

#[tokio::test]
async fn list_that_cannot_be_read_is_not_started() {
    let (client, payment, _order, directory) = start_with(&[("sku1", 12)]).await;
    let mut connection = AnyConnection::connect(&url(&directory)).await.unwrap();
    connection.execute("ALTER TABLE prices RENAME TO gone").await.unwrap();
    let status = create(&client, keyed("k")).await.unwrap_err();
    let status = StatusFixture::from_status(&status);
    assert_eq!((status.code, status.reason.unwrap().1.as_str()), (Code::Unavailable, "NOT_STARTED"));
    assert!(status.retry_after.is_some() && payment.calls().is_empty());
    connection.execute("ALTER TABLE gone RENAME TO prices").await.unwrap();
    let placed = create(&client, keyed("k")).await.unwrap();
    assert!(!placed.replayed);
}
