//! Placing an order with a price list: pricing, and replays after the list has changed.

use std::sync::Arc;

use money::Currency;
use order::{
    application::{PlaceError, Placed},
    domain::{ChargeOutcome, CreateOrder, PricingError, Quantity, RequestedItem},
    ports::{Orders, StoreError},
};

use super::{Fixture, TIME_LEFT, is_not_started};
use test_support::order::{
    Charge, FakePrices, ListFault, StoreCall, StoreFault, always, code, dollars, id, key, user,
};

/// A fixture with a list of these prices in cents.
fn fixture(prices: &[(&str, i64)]) -> (Fixture, Arc<FakePrices>) {
    let (mut fixture, list) = (Fixture::new(), Arc::new(FakePrices::default()));
    fixture.application.price_list = Some(list.clone());
    replace_list(&list, prices);
    (fixture, list)
}

/// Replaces the list.
fn replace_list(list: &FakePrices, prices: &[(&str, i64)]) {
    let price = |&(product, minor): &(&str, i64)| ((code(product), "USD"), dollars(minor));
    list.load(prices.iter().map(price).collect(), true);
}

/// One piece of each, of user 1.
fn command(items: &[(&str, Option<i64>)]) -> CreateOrder {
    let item = |&(product, minor): &(&str, Option<i64>)| RequestedItem {
        product_code: code(product),
        unit_price: minor.map(dollars),
        quantity: Quantity::new(1).unwrap(),
    };
    CreateOrder::new(user(1), Currency::USD, items.iter().map(item).collect()).unwrap()
}

impl Fixture {
    async fn place_items(&self, items: &[(&str, Option<i64>)]) -> Result<Placed, PlaceError> {
        self.application.place_order(command(items), Some(key("k")), TIME_LEFT).await
    }
}

#[tokio::test(start_paused = true)]
async fn order_is_saved_and_charged_at_the_prices_of_the_list() {
    let (fixture, list) = fixture(&[("a", 12), ("b", 30), ("free", 0)]);
    let placed = fixture.place_items(&[("a", None), ("b", Some(30)), ("free", None)]).await.unwrap();
    let stored = fixture.only();
    assert_eq!((&placed.order, placed.replayed), (&stored, false));
    let prices: Vec<i64> = stored.items.iter().map(|item| item.unit_price.minor()).collect();
    assert_eq!((prices, stored.total), (vec![12, 30, 0], Some(dollars(42))));
    assert_eq!((fixture.payments.calls()[0].total, list.reads()), (dollars(42), 1));
}

#[tokio::test(start_paused = true)]
async fn every_pricing_error_is_returned_and_nothing_is_saved() {
    let (fixture, _) = fixture(&[("a", 12), ("b", 30)]);
    let result = fixture.place_items(&[("a", Some(11)), ("b", None), ("c", None)]).await;
    let expected = vec![
        PricingError::PriceMismatch { item: 0, listed: dollars(12) },
        PricingError::NoPrice { item: 2, currency: Currency::USD },
    ];
    assert_eq!(result, Err(PlaceError::Pricing(expected)));
    assert_eq!((fixture.store.inner.all(), fixture.payments.calls()), (vec![], vec![]));
    // A corrected request with the same key is placed.
    assert!(fixture.place_items(&[("a", Some(12)), ("b", None)]).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn missing_price_is_rejected_without_a_list() {
    let fixture = Fixture::new();
    let result = fixture.place_items(&[("a", Some(12)), ("b", None)]).await;
    assert_eq!(result, Err(PlaceError::Pricing(vec![PricingError::NoPriceList { item: 1 }])));
    assert_eq!(fixture.store.inner.all(), []);
}

/// Changes of the list after an order was placed; `None` removes it.
const CHANGES: [Option<&[(&str, i64)]>; 4] =
    [Some(&[("a", 13), ("b", 30)]), Some(&[("a", 12)]), Some(&[]), None];

#[tokio::test(start_paused = true)]
async fn replay_does_not_depend_on_the_list() {
    for items in
        [[("a", None), ("b", None)], [("a", Some(12)), ("b", None)], [("a", Some(12)), ("b", Some(30))]]
    {
        for change in CHANGES {
            let (mut fixture, list) = fixture(&[("a", 12), ("b", 30)]);
            let first = fixture.place_items(&items).await.unwrap();
            match change {
                Some(prices) => replace_list(&list, prices),
                None => fixture.application.price_list = None,
            }
            let again = fixture.place_items(&items).await;
            assert_eq!(again, Ok(Placed { replayed: true, ..first.clone() }), "{items:?}, {change:?}");
            // Another request with the key is still rejected.
            let other = fixture.place_items(&[("a", Some(12))]).await;
            assert_eq!(other, Err(PlaceError::KeyReused { order: first.order.id }));
            assert_eq!((fixture.only(), fixture.payments.calls().len()), (first.order, 1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn requests_with_and_without_a_price_have_different_fingerprints() {
    let (fixture, _) = fixture(&[("a", 12)]);
    fixture.place_items(&[("a", None)]).await.unwrap();
    assert_eq!(fixture.place_items(&[("a", Some(12))]).await, Err(PlaceError::KeyReused { order: id(1) }));
}

#[tokio::test(start_paused = true)]
async fn retry_is_charged_at_the_stored_prices() {
    for prices in [&[("a", 13)][..], &[]] {
        let (fixture, list) = fixture(&[("a", 12)]);
        fixture.payments.next([Charge::Ends(ChargeOutcome::NeverRan)]);
        assert_eq!(fixture.place_items(&[("a", None)]).await, Err(PlaceError::NotCharged { order: id(1) }));
        replace_list(&list, prices);
        let placed = fixture.place_items(&[("a", None)]).await.unwrap();
        assert_eq!((placed.order.total, placed.replayed), (Some(dollars(12)), false));
        assert_eq!(fixture.payments.charged().into_values().collect::<Vec<_>>(), [dollars(12)]);
    }
}

#[tokio::test(start_paused = true)]
async fn list_is_read_once_and_the_key_only_after_a_pricing_error() {
    let (fixture, list) = fixture(&[("a", 12)]);
    // Fails the first read by key.
    fixture.store.next(StoreCall::FindByKey, [StoreFault::RequestLost]);
    assert!(fixture.place_items(&[("a", None), ("a", Some(12)), ("a", None)]).await.is_ok());
    assert_eq!((fixture.store.faults_left(StoreCall::FindByKey), list.reads()), (1, 1));
    let result =
        fixture.application.place_order(command(&[("b", None)]), Some(key("other")), TIME_LEFT).await;
    assert!(is_not_started(&result), "the key may exist: {result:?}");
    assert_eq!(fixture.store.inner.all().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn list_that_cannot_be_read_is_not_started() {
    for error in [StoreError::NotStarted, StoreError::Unknown] {
        let (fixture, list) = fixture(&[("a", 12)]);
        list.next([ListFault::Fails(error)]);
        let result = fixture.place_items(&[("a", Some(12))]).await;
        assert!(is_not_started(&result), "{result:?}");
        assert_eq!((fixture.store.inner.all(), fixture.payments.calls()), (vec![], vec![]));
        assert!(fixture.place_items(&[("a", Some(12))]).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn deadline_while_the_list_is_read_is_not_started() {
    let (fixture, list) = fixture(&[("a", 12)]);
    list.next([ListFault::Takes(TIME_LEFT)]);
    let result = fixture.place_items(&[("a", None)]).await;
    assert!(is_not_started(&result), "{result:?}");
    fixture.drained().await;
    assert_eq!((fixture.store.inner.all(), fixture.payments.calls()), (vec![], vec![]));
}

/// Another instance has generated the same id for the same key, and has read another price from the list.
#[tokio::test(start_paused = true)]
async fn in_doubt_insert_is_charged_at_its_stored_price() {
    let (fixture, list) = fixture(&[("a", 12)]);
    let listed = [(code("a"), dollars(13))].into_iter().collect();
    let theirs = command(&[("a", None)]).priced(Some(&listed)).unwrap();
    let theirs = order::domain::Order::place(id(1), key("k"), theirs, 0);
    fixture.store.inner.insert(&theirs, always()).await.unwrap();
    fixture.store.next(StoreCall::Insert, [StoreFault::RequestLost]);
    let placed = fixture.place_items(&[("a", None)]).await.unwrap();
    assert_eq!((placed.order.total, list.reads()), (Some(dollars(13)), 1));
    assert_eq!(fixture.payments.charged().into_values().collect::<Vec<_>>(), [dollars(13)]);
}
