//! The orders of a user, page by page.

use std::collections::BTreeSet;

use order::{
    domain::{Order, OrderId, Status, UserId},
    ports::{IdGenerator, Page},
};

use super::{Fixture, SETTLED, settled, settlement};
use test_support::order::{items, order_of};

/// Half of the orders that are listed while others are inserted.
const PAIRS: usize = 40;
/// A limit that no list of these tests reaches.
const ITEMS_MANY: u32 = 10_000;

impl Fixture {
    /// Inserts orders of `user` with so many items each, and returns them newest first.
    async fn inserted_of(&self, user: UserId, item_counts: &[usize]) -> Vec<Order> {
        let mut orders = Vec::new();
        for count in item_counts {
            orders.push(order_of(self.ids.order_id(), user, self.ids.key(), &items(*count, 12)));
        }
        // The middle one last: the list is sorted by id, not by time of insertion.
        let middle = orders.len() / 2;
        for order in orders.iter().filter(|order| order.id != orders[middle].id).chain([&orders[middle]]) {
            self.insert(order).await;
        }
        orders.reverse();
        orders
    }

    async fn page(&self, user: UserId, before: Option<OrderId>, limit: u32, items_max: u32) -> Page {
        self.orders().list(user, before, limit, items_max).await.unwrap()
    }
}

pub(super) async fn newest_first(fixture: Fixture) {
    let (user, other) = (fixture.new_user(), fixture.new_user());
    let mut orders = fixture.inserted_of(user, &[1, 3, 2, 1, 5]).await;
    let others = fixture.inserted_of(other, &[2, 2]).await;
    for (order, status) in orders.iter_mut().zip(SETTLED) {
        let settlement = settlement(status);
        assert_eq!(fixture.orders().settle(order.fencing_token(), &settlement).await, Ok(true));
        *order = settled(order.clone(), &settlement);
    }
    assert_eq!(orders[0].status, Status::Paid);
    assert_eq!(fixture.page(user, None, 50, ITEMS_MANY).await, Page { orders, more: false });
    assert_eq!(fixture.page(other, None, 50, ITEMS_MANY).await, Page { orders: others, more: false });
}

pub(super) async fn before_and_limit(fixture: Fixture) {
    let user = fixture.new_user();
    let orders = fixture.inserted_of(user, &[1, 2, 1, 2, 1]).await;
    let _others = fixture.inserted_of(fixture.new_user(), &[1, 1]).await;
    for limit in 1..=6_usize {
        for first in 0..=orders.len() {
            let before = first.checked_sub(1).map(|last| orders[last].id);
            let end = orders.len().min(first + limit);
            let expected = Page { orders: orders[first..end].to_vec(), more: end < orders.len() };
            assert_eq!(fixture.page(user, before, limit.try_into().unwrap(), ITEMS_MANY).await, expected);
        }
    }
    // A page may start at an id that no order has.
    let gap = OrderId::new(orders[0].id.get() + 1).unwrap();
    assert_eq!(fixture.page(user, Some(gap), 50, ITEMS_MANY).await.orders, orders);
    let lowest = OrderId::new(1).unwrap();
    assert_eq!(fixture.page(user, Some(lowest), 50, ITEMS_MANY).await.orders, []);
}

pub(super) async fn items_max(fixture: Fixture) {
    let user = fixture.new_user();
    // Newest first: 2, 4, 1, 3 items.
    let orders = fixture.inserted_of(user, &[3, 1, 4, 2]).await;
    for (items_max, limit, count) in
        [(10, 4, 4), (9, 4, 3), (7, 4, 3), (6, 4, 2), (5, 4, 1), (2, 4, 1), (1, 4, 1), (10, 2, 2), (5, 2, 1)]
    {
        let page = fixture.page(user, None, limit, items_max).await;
        assert_eq!(page.orders, orders[..count], "{items_max} items, {limit} orders");
        assert_eq!(page.more, count < orders.len());
    }
    // The last order alone has too many items.
    let last = fixture.page(user, Some(orders[2].id), 4, 1).await;
    assert_eq!(last, Page { orders: orders[3..].to_vec(), more: false });
}

pub(super) async fn during_inserts(fixture: Fixture) {
    let user = fixture.new_user();
    let mut orders: Vec<Order> = (0..PAIRS * 2).map(|_| fixture.new_order(user)).collect();
    // Every second order is inserted late, as by a slow client, among those that are read.
    let late: Vec<Order> = (0..PAIRS).map(|n| orders.remove(n)).collect();
    for order in &orders {
        fixture.insert(order).await;
    }
    let present: BTreeSet<OrderId> = orders.iter().map(|order| order.id).collect();
    let writer = tokio::spawn({
        let fixture = fixture.clone();
        async move {
            for order in late {
                fixture.insert(&order).await;
            }
        }
    });
    loop {
        // A store that never waits would not let the writer run.
        tokio::task::yield_now().await;
        let last_round = writer.is_finished();
        let read = every_page(&fixture, user).await;
        assert!(read.is_sorted_by(|newer, older| newer > older), "repeated or out of order: {read:?}");
        let read: BTreeSet<OrderId> = read.into_iter().collect();
        assert!(present.is_subset(&read), "skipped: {:?}", present.difference(&read));
        if last_round {
            writer.await.unwrap();
            assert_eq!(read.len(), PAIRS * 2);
            return;
        }
    }
}

async fn every_page(fixture: &Fixture, user: UserId) -> Vec<OrderId> {
    let mut read: Vec<OrderId> = Vec::new();
    loop {
        let page = fixture.page(user, read.last().copied(), 7, ITEMS_MANY).await;
        read.extend(page.orders.iter().map(|order| order.id));
        assert!(read.len() <= PAIRS * 2, "the list does not end");
        if !page.more {
            return read;
        }
    }
}
