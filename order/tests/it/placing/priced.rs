//! Placing an order where there is a price list: its prices are those of the list, and a repeat is a repeat.

use std::sync::Arc;

use money::Currency;
use order::{
    application::{PlaceError, Placed},
    domain::{Basket, ChargeOutcome, Line, ProductCode, Quantity, Refusal},
    ports::{Orders, StoreError},
};

use super::{BUDGET, World, not_started};
use crate::{
    fake::{Charge, FakePrices, Fault, Op, Reading},
    samples::{dollars, id, key, user},
};

/// The world with a list of these prices, in cents.
fn world(prices: &[(&str, i64)]) -> (World, Arc<FakePrices>) {
    let (mut world, list) = (World::new(), Arc::new(FakePrices::default()));
    world.application.price_list = Some(list.clone());
    load(&list, prices);
    (world, list)
}

/// Has `prices` be the whole list.
fn load(list: &FakePrices, prices: &[(&str, i64)]) {
    let price = |&(code, minor): &(&str, i64)| ((product(code), "USD"), dollars(minor));
    list.load(prices.iter().map(price).collect(), true);
}

fn product(code: &str) -> ProductCode {
    ProductCode::new(code.to_owned()).unwrap()
}

/// One piece of each, of user 1.
fn basket(lines: &[(&str, Option<i64>)]) -> Basket {
    let line = |&(code, minor): &(&str, Option<i64>)| Line {
        product_code: product(code),
        unit_price: minor.map(dollars),
        quantity: Quantity::new(1).unwrap(),
    };
    Basket::new(user(1), Currency::USD, lines.iter().map(line).collect()).unwrap()
}

impl World {
    async fn ask(&self, lines: &[(&str, Option<i64>)]) -> Result<Placed, PlaceError> {
        self.application.place_order(basket(lines), Some(key("k")), BUDGET).await
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_is_kept_and_charged_at_the_prices_of_the_list() {
    let (world, list) = world(&[("a", 12), ("b", 30), ("free", 0)]);
    let placed = world.ask(&[("a", None), ("b", Some(30)), ("free", None)]).await.unwrap();
    let kept = world.only();
    assert_eq!((&placed.order, placed.replayed), (&kept, false));
    let prices: Vec<i64> = kept.items.iter().map(|item| item.unit_price.minor()).collect();
    assert_eq!((prices, kept.total), (vec![12, 30, 0], dollars(42)));
    assert_eq!((world.payments.calls()[0].total, list.asked()), (dollars(42), 1));
}

#[tokio::test(start_paused = true)]
async fn what_the_list_refuses_is_named_at_once_and_nothing_is_done() {
    let (world, _) = world(&[("a", 12), ("b", 30)]);
    let refused = world.ask(&[("a", Some(11)), ("b", None), ("c", None)]).await;
    let expected = vec![
        Refusal::OtherPrice { item: 0, listed: dollars(12) },
        Refusal::NoPrice { item: 2, currency: Currency::USD },
    ];
    assert_eq!(refused, Err(PlaceError::Refused(expected)));
    assert_eq!((world.store.kept.all(), world.payments.calls()), (vec![], vec![]));
    // Corrected, the same key places it.
    assert!(world.ask(&[("a", Some(12)), ("b", None)]).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn without_a_list_a_price_that_is_left_to_it_is_refused() {
    let world = World::new();
    let refused = world.ask(&[("a", Some(12)), ("b", None)]).await;
    assert_eq!(refused, Err(PlaceError::Refused(vec![Refusal::NoList { item: 1 }])));
    assert_eq!(world.store.kept.all(), []);
}

/// What became of the list after an order was placed by it.
const CHANGES: [Option<&[(&str, i64)]>; 4] =
    [Some(&[("a", 13), ("b", 30)]), Some(&[("a", 12)]), Some(&[]), None];

#[tokio::test(start_paused = true)]
async fn a_repeat_is_a_repeat_whatever_became_of_the_list() {
    for lines in
        [[("a", None), ("b", None)], [("a", Some(12)), ("b", None)], [("a", Some(12)), ("b", Some(30))]]
    {
        for change in CHANGES {
            let (mut world, list) = world(&[("a", 12), ("b", 30)]);
            let first = world.ask(&lines).await.unwrap();
            match change {
                Some(prices) => load(&list, prices),
                None => world.application.price_list = None,
            }
            let again = world.ask(&lines).await;
            assert_eq!(again, Ok(Placed { replayed: true, ..first.clone() }), "{lines:?}, {change:?}");
            // Another meaning is none the less another.
            let other = world.ask(&[("a", Some(12))]).await;
            assert_eq!(other, Err(PlaceError::KeyReused { order: first.order.id }));
            assert_eq!((world.only(), world.payments.calls().len()), (first.order, 1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_price_that_is_named_and_one_that_is_left_out_are_two_meanings() {
    let (world, _) = world(&[("a", 12)]);
    world.ask(&[("a", None)]).await.unwrap();
    assert_eq!(world.ask(&[("a", Some(12))]).await, Err(PlaceError::KeyReused { order: id(1) }));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_was_not_charged_is_charged_at_the_prices_that_it_was_saved_with() {
    for prices in [&[("a", 13)][..], &[]] {
        let (world, list) = world(&[("a", 12)]);
        world.payments.next([Charge::Ends(ChargeOutcome::NeverRan)]);
        assert_eq!(world.ask(&[("a", None)]).await, Err(PlaceError::NotCharged { order: id(1) }));
        load(&list, prices);
        let placed = world.ask(&[("a", None)]).await.unwrap();
        assert_eq!((placed.order.total, placed.replayed), (dollars(12), false));
        assert_eq!(world.payments.charged().into_values().collect::<Vec<_>>(), [dollars(12)]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_list_is_asked_once_for_an_order_and_the_key_only_where_it_refuses() {
    let (world, list) = world(&[("a", 12)]);
    // Whoever asks for the key would hear of this.
    world.store.next(Op::FindByKey, [Fault::Lost]);
    assert!(world.ask(&[("a", None), ("a", Some(12)), ("a", None)]).await.is_ok());
    assert_eq!((world.store.faults_left(Op::FindByKey), list.asked()), (1, 1));
    let refused = world.application.place_order(basket(&[("b", None)]), Some(key("other")), BUDGET).await;
    assert!(not_started(&refused), "the key may be known: {refused:?}");
    assert_eq!(world.store.kept.all().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_cannot_be_read_means_that_nothing_was_done() {
    for error in [StoreError::NotStarted, StoreError::Unknown] {
        let (world, list) = world(&[("a", 12)]);
        list.next([Reading::Fails(error)]);
        let answer = world.ask(&[("a", Some(12))]).await;
        assert!(not_started(&answer), "{answer:?}");
        assert_eq!((world.store.kept.all(), world.payments.calls()), (vec![], vec![]));
        assert!(world.ask(&[("a", Some(12))]).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_time_ends_while_the_list_is_read_is_told_that_nothing_will_be_done() {
    let (world, list) = world(&[("a", 12)]);
    list.next([Reading::Takes(BUDGET)]);
    let answer = world.ask(&[("a", None)]).await;
    assert!(not_started(&answer), "{answer:?}");
    world.drained().await;
    assert_eq!((world.store.kept.all(), world.payments.calls()), (vec![], vec![]));
}

/// Another instance drew the same id for the same key, and found another price in the list.
#[tokio::test(start_paused = true)]
async fn a_doubtful_commit_is_charged_what_it_was_saved_at() {
    let (world, list) = world(&[("a", 12)]);
    let quotes = [(product("a"), dollars(13))].into_iter().collect();
    let theirs = basket(&[("a", None)]).priced(Some(&quotes)).unwrap();
    let theirs = order::domain::Order::place(id(1), key("k"), theirs, 0);
    world.store.kept.insert(&theirs, crate::samples::always()).await.unwrap();
    world.store.next(Op::Insert, [Fault::Lost]);
    let placed = world.ask(&[("a", None)]).await.unwrap();
    assert_eq!((placed.order.total, list.asked()), (dollars(13), 1));
    assert_eq!(world.payments.charged().into_values().collect::<Vec<_>>(), [dollars(13)]);
}
