//! Inserts: unique ids and keys, start guards and atomicity.

use std::{future::Future, pin::pin, sync::Arc, task::Poll};

use order::{
    domain::{Order, Status},
    ports::{IdGenerator, InsertOutcome, StoreError},
};

use super::{Fixture, RACERS, concurrently, only_winner};
use test_support::order::{always, items, key, order, order_of};

pub(super) async fn id_taken(fixture: Fixture) {
    let first = fixture.inserted(Status::Paid).await;
    let second = Order { id: first.id, ..fixture.new_order(fixture.new_user()) };
    assert_eq!(fixture.orders().insert(&second, always()).await, Ok(InsertOutcome::Conflict));
    fixture.assert_stored(&first).await;
    assert_eq!(fixture.orders().find_by_key(second.user, &second.key).await, Ok(None));
    assert_eq!(fixture.orders().list(second.user, None, 50, 1000).await.unwrap().orders, []);
}

pub(super) async fn key_taken(fixture: Fixture) {
    for status in [Status::Pending, Status::Paid, Status::NotCharged] {
        let first = fixture.inserted(status).await;
        let second = Order { key: first.key.clone(), ..fixture.new_order(first.user) };
        assert_eq!(fixture.orders().insert(&second, always()).await, Ok(InsertOutcome::Conflict));
        fixture.assert_stored(&first).await;
        assert_eq!(fixture.orders().find(second.id).await, Ok(None));
    }
}

pub(super) async fn key_of_another_user(fixture: Fixture) {
    let first = fixture.inserted(Status::Pending).await;
    let second = Order { key: first.key.clone(), ..fixture.new_order(fixture.new_user()) };
    fixture.insert(&second).await;
    fixture.assert_stored(&first).await;
    fixture.assert_stored(&second).await;
}

pub(super) async fn case_sensitive_keys(fixture: Fixture) {
    let user = fixture.new_user();
    let orders =
        ["Key-a", "key-A", "KEY-A", "key-a"].map(|text| order(fixture.ids.order_id(), user, key(text)));
    for order in &orders {
        fixture.insert(order).await;
    }
    for order in &orders {
        fixture.assert_stored(order).await;
    }
}

pub(super) async fn race_for_a_key(fixture: Fixture) {
    let user = fixture.new_user();
    let shared = fixture.ids.key();
    race(fixture, |order| Order { user, key: shared.clone(), ..order }).await;
}

pub(super) async fn race_for_an_id(fixture: Fixture) {
    let shared = fixture.ids.order_id();
    race(fixture, |order| Order { id: shared, ..order }).await;
}

/// Asserts that of concurrent orders that `rival` makes conflict, one is inserted, and nothing of any other.
async fn race(fixture: Fixture, rival: impl Fn(Order) -> Order) {
    let rivals: Vec<Order> = (0..RACERS).map(|_| rival(fixture.new_order(fixture.new_user()))).collect();
    let attempts = rivals.clone().into_iter().map(|order| {
        let orders = fixture.orders();
        async move { orders.insert(&order, always()).await.unwrap() == InsertOutcome::Inserted }
    });
    let winner = only_winner(&concurrently(attempts).await);
    fixture.assert_stored(&rivals[winner]).await;
    for rival in rivals.iter().filter(|rival| **rival != rivals[winner]) {
        assert_ne!(fixture.orders().find(rival.id).await.unwrap().as_ref(), Some(rival));
    }
    let listed = fixture.orders().list(rivals[winner].user, None, 50, 1000).await.unwrap();
    assert_eq!(listed.orders, [rivals[winner].clone()]);
}

pub(super) async fn start_guard_is_false(fixture: Fixture) {
    let order = fixture.new_order(fixture.new_user());
    let result = fixture.orders().insert(&order, Arc::new(|| false)).await;
    assert_eq!(result, Err(StoreError::NotStarted));
    assert_eq!(fixture.orders().find(order.id).await, Ok(None));
    assert_eq!(fixture.orders().find_by_key(order.user, &order.key).await, Ok(None));
    // Its id and key are still unused.
    fixture.insert(&order).await;
    fixture.assert_stored(&order).await;
}

pub(super) async fn cancelled(fixture: Fixture) {
    const POLLS_MAX: usize = 1000;
    let user = fixture.new_user();
    for polls in 1..POLLS_MAX {
        let order = order_of(fixture.ids.order_id(), user, fixture.ids.key(), &items(3, 12));
        let inserted = cancel_after(polls, fixture.orders().insert(&order, always())).await;
        match fixture.orders().find(order.id).await.unwrap() {
            Some(found) => assert_eq!(found, order),
            None => assert_eq!(inserted, None, "an insert that returned Ok is missing"),
        }
        if inserted == Some(Ok(InsertOutcome::Inserted)) {
            return;
        }
    }
    panic!("an insert takes over {POLLS_MAX} polls");
}

/// The output of `future`, or `None` if it is dropped after so many polls.
async fn cancel_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}
