//! A service with a price list: what callers may name, may leave out, and are told.

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
    Client, House, house,
    house::url,
    orders::{create, item, keyed, money, request},
    payment::FakePayment,
    told::Told,
};

/// Loads prices in cents of the dollar, as the operator's command does.
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

async fn start(prices: &[(&str, i64)]) -> (Client, FakePayment, House, Arc<TempDir>) {
    let (directory, payment) = (Arc::new(tempfile::tempdir().unwrap()), FakePayment::start());
    load(&directory, prices, false).await;
    let house = House::start_with_prices(directory.clone(), payment.address).await;
    (house.client().await, payment, house, directory)
}

/// An item whose price is left to the list.
fn left(product_code: &str, quantity: i32) -> OrderItem {
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
async fn prices_are_those_of_the_list_named_or_left_out() {
    let (client, payment, _house, _directory) = start(&[("sku1", 12), ("sku2", 1_999), ("free", 0)]).await;
    let exact = OrderItem { price: Some(money("USD", 19, 990_000_000)), ..item("sku2", 0.0, 1) };
    let asked =
        vec![left("sku1", 2), exact.clone(), item("sku1", 0.12, 1), left("free", 1), item("free", 0.0, 1)];
    let placed = create(&client, with("k", asked)).await.unwrap();
    assert_eq!(placed.total, Some(money("USD", 20, 350_000_000)));
    assert_eq!(payment.calls()[0].0.total, placed.total);
    let get = GetOrderRequest { order_id: placed.order_id, user_id: 0 };
    let kept = client.clone().get(get).await.unwrap().into_inner();
    assert_eq!((&placed.order_items, placed.total), (&kept.order_items, kept.total));
    assert_eq!(
        kept.order_items[0],
        OrderItem { price: Some(money("USD", 0, 120_000_000)), ..item("sku1", 0.12, 2) }
    );
    // Whoever names every price is answered as before.
    let named = create(&client, with("named", vec![item("sku1", 0.12, 1), exact])).await.unwrap();
    assert_eq!(named.order_items, []);
}

#[tokio::test]
async fn every_item_that_the_list_refuses_is_named() {
    let (client, payment, _house, _directory) = start(&[("sku1", 12), ("sku2", 0)]).await;
    let exact = OrderItem { price: Some(money("USD", 0, 130_000_000)), ..item("sku1", 0.0, 1) };
    let asked = vec![
        item("sku1", 0.11, 1),
        exact,
        item("sku1", 0.12, 1),
        left("SKU1", 1),
        item("sku1", 0.0, 1),
        item("x", 1.0, 1),
    ];
    let refused = violations(&create(&client, with("k", asked)).await.unwrap_err());
    let price = |index| {
        violation(
            &format!("order_items[{index}].unit_price"),
            "must be 0.12, by the price list",
            "PRICE_MISMATCH",
        )
    };
    let product =
        |index| violation(&format!("order_items[{index}].product_code"), "has no price in USD", "NO_PRICE");
    assert_eq!(refused, [price(0), price(1), product(3), price(4), product(5)]);

    let in_yen = CreateOrderRequest { currency_code: "JPY".to_owned(), ..with("k", vec![left("sku1", 1)]) };
    let refused = violations(&create(&client, in_yen).await.unwrap_err());
    assert_eq!(refused, [violation("order_items[0].product_code", "has no price in JPY", "NO_PRICE")]);

    let refused = violations(&create(&client, with("k", vec![left("sku2", 1)])).await.unwrap_err());
    assert_eq!(refused, [violation("order_items", "must come to a total above 0", "")]);
    assert_eq!(payment.calls().len(), 0);
    // The key is as free as it was.
    assert!(create(&client, with("k", vec![left("sku1", 1)])).await.is_ok());
}

#[tokio::test]
async fn more_refusals_than_an_answer_can_hold_are_counted() {
    let (client, _payment, _house, _directory) = start(&[("sku1", 12)]).await;
    let status = create(&client, with("k", vec![item("sku1", 0.11, 1); 100])).await.unwrap_err();
    assert!(status.details().len() < 5_000, "clients take no longer headers: {}", status.details().len());
    let named = violations(&status);
    let expected = format!("and {} more faults", 100 - (named.len() - 1));
    assert!(named.len() > 30 && named.last().unwrap().1 == expected, "{named:?}");
}

#[tokio::test]
async fn a_repeat_is_answered_as_the_first_was_whatever_the_list_has_become() {
    let (client, payment, house, directory) = start(&[("sku1", 12)]).await;
    let requests = [with("left", vec![left("sku1", 1)]), with("named", vec![item("sku1", 0.12, 1)])];
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
    // Another order of the same is refused by now, and the key of the first is not free for one that is not.
    assert_eq!(violations(&create(&client, with("new", vec![left("sku1", 1)])).await.unwrap_err()).len(), 1);
    let reused = Told::by(&create(&client, with("left", vec![left("other", 1)])).await.unwrap_err());
    assert_eq!(reused.reason.unwrap().1, "IDEMPOTENCY_KEY_REUSED");
    drop(client);
    house.stop().await;
    // The list is given up: what was placed by it was placed.
    let house = House::start_in(directory, payment.address, "development").await;
    repeats(&house.client().await).await;
    assert_eq!(payment.calls().len(), 2);
}

#[tokio::test]
async fn without_a_list_a_price_that_is_left_out_is_missing() {
    let (client, payment, _house) = house().await;
    let missing = "is missing; it must be a decimal number of 0 or more, as there is no price list";
    let refused = violations(
        &create(&client, with("k", vec![item("sku1", 0.12, 1), left("sku1", 1)])).await.unwrap_err(),
    );
    assert_eq!(refused, [violation("order_items[1].unit_price", missing, "")]);
    assert_eq!(payment.calls().len(), 0);
    // Not set is 0, as for clients of the old contract.
    let free =
        CreateOrderRequest { order_items: vec![item("free", 0.0, 1), item("sku1", 0.12, 1)], ..request() };
    assert_eq!(create(&client, free).await.unwrap().total, Some(money("USD", 0, 120_000_000)));
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_not_started() {
    let (client, payment, _house, directory) = start(&[("sku1", 12)]).await;
    let mut connection = AnyConnection::connect(&url(&directory)).await.unwrap();
    connection.execute("ALTER TABLE prices RENAME TO gone").await.unwrap();
    let status = create(&client, keyed("k")).await.unwrap_err();
    let told = Told::by(&status);
    assert_eq!((told.code, told.reason.unwrap().1.as_str()), (Code::Unavailable, "NOT_STARTED"));
    assert!(told.retry_after.is_some() && payment.calls().is_empty());
    connection.execute("ALTER TABLE gone RENAME TO prices").await.unwrap();
    let placed = create(&client, keyed("k")).await.unwrap();
    assert!(!placed.replayed);
}
