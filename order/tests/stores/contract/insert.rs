//! An order is kept once, under names of its own, and as a whole.

use std::{future::Future, pin::pin, sync::Arc, task::Poll};

use order::{
    domain::{Order, Status},
    ports::{Insert, Mint, StoreError},
};

use super::{RACERS, Site, at_once, only_winner};
use crate::samples::{NOW_MS, always, draft_of, key, order};

pub(super) async fn id_taken(site: Site) {
    let first = site.kept(Status::Paid).await;
    let second = Order { id: first.id, ..site.new_order(site.new_user()) };
    assert_eq!(site.orders.insert(&second, always()).await, Ok(Insert::Clash));
    site.holds(&first).await;
    assert_eq!(site.orders.find_by_key(second.user, &second.key).await, Ok(None));
    assert_eq!(site.orders.list(second.user, None, 50, 1000).await.unwrap().orders, []);
}

pub(super) async fn key_taken(site: Site) {
    for status in [Status::Pending, Status::Paid, Status::NotCharged] {
        let first = site.kept(status).await;
        let second = Order { key: first.key.clone(), ..site.new_order(first.user) };
        assert_eq!(site.orders.insert(&second, always()).await, Ok(Insert::Clash));
        site.holds(&first).await;
        assert_eq!(site.orders.find(second.id).await, Ok(None));
    }
}

pub(super) async fn key_of_another_user(site: Site) {
    let first = site.kept(Status::Pending).await;
    let second = Order { key: first.key.clone(), ..site.new_order(site.new_user()) };
    site.insert(&second).await;
    site.holds(&first).await;
    site.holds(&second).await;
}

pub(super) async fn keys_of_another_case(site: Site) {
    let user = site.new_user();
    let orders =
        ["Key-a", "key-A", "KEY-A", "key-a"].map(|text| order(site.mint.order_id(), user, key(text)));
    for order in &orders {
        site.insert(order).await;
    }
    for order in &orders {
        site.holds(order).await;
    }
}

pub(super) async fn race_for_a_key(site: Site) {
    let user = site.new_user();
    let shared = site.mint.key();
    race(site, |order| Order { user, key: shared.clone(), ..order }).await;
}

pub(super) async fn race_for_an_id(site: Site) {
    let shared = site.mint.order_id();
    race(site, |order| Order { id: shared, ..order }).await;
}

/// Of many orders that `rival` makes alike, one is kept, and nothing of any other.
async fn race(site: Site, rival: impl Fn(Order) -> Order) {
    let rivals: Vec<Order> = (0..RACERS).map(|_| rival(site.new_order(site.new_user()))).collect();
    let attempts = rivals.clone().into_iter().map(|order| {
        let orders = site.orders.clone();
        async move { orders.insert(&order, always()).await.unwrap() == Insert::Inserted }
    });
    let kept = only_winner(&at_once(attempts).await);
    site.holds(&rivals[kept]).await;
    for rival in rivals.iter().filter(|rival| **rival != rivals[kept]) {
        assert_ne!(site.orders.find(rival.id).await.unwrap().as_ref(), Some(rival));
    }
    let listed = site.orders.list(rivals[kept].user, None, 50, 1000).await.unwrap();
    assert_eq!(listed.orders, [rivals[kept].clone()]);
}

pub(super) async fn not_permitted(site: Site) {
    let order = site.new_order(site.new_user());
    let refused = site.orders.insert(&order, Arc::new(|| false)).await;
    assert_eq!(refused, Err(StoreError::NotStarted));
    assert_eq!(site.orders.find(order.id).await, Ok(None));
    assert_eq!(site.orders.find_by_key(order.user, &order.key).await, Ok(None));
    // Its names are as free as they were.
    site.insert(&order).await;
    site.holds(&order).await;
}

pub(super) async fn cut_short(site: Site) {
    const POLLS_MAX: usize = 1000;
    let user = site.new_user();
    for polls in 1..POLLS_MAX {
        let draft = draft_of(user, 3, 12);
        let order = Order::place(site.mint.order_id(), site.mint.key(), draft, NOW_MS);
        let whole = cut_after(polls, site.orders.insert(&order, always())).await;
        match site.orders.find(order.id).await.unwrap() {
            Some(found) => assert_eq!(found, order),
            None => assert_eq!(whole, None, "an insert that was answered is gone"),
        }
        if whole == Some(Ok(Insert::Inserted)) {
            return;
        }
    }
    panic!("an insert takes over {POLLS_MAX} polls");
}

/// What `future` ends with, unless it has not after so many polls: then it is dropped.
async fn cut_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
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
