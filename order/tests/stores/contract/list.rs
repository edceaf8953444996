//! A user's orders, page by page.

use std::collections::BTreeSet;

use order::{
    domain::{Order, OrderId, Status, UserId},
    ports::{Mint, Page},
};

use super::{SETTLED, Site, settled, settlement};
use crate::samples::{NOW_MS, draft_of};

/// Half of the orders that are listed while they come in.
const PAIRS: usize = 40;
/// A bound that no list here reaches.
const ITEMS_MANY: u32 = 10_000;

impl Site {
    /// Keeps new orders of `user` with so many items each, and returns them newest first.
    async fn kept_of(&self, user: UserId, items: &[usize]) -> Vec<Order> {
        let mut orders = Vec::new();
        for items in items {
            let draft = draft_of(user, *items, 12);
            orders.push(Order::place(self.mint.order_id(), self.mint.key(), draft, NOW_MS));
        }
        // The middle one last: what counts is the id, not when an order was kept.
        let middle = orders.len() / 2;
        for order in orders.iter().filter(|order| order.id != orders[middle].id).chain([&orders[middle]]) {
            self.insert(order).await;
        }
        orders.reverse();
        orders
    }

    async fn page(&self, user: UserId, before: Option<OrderId>, limit: u32, items_max: u32) -> Page {
        self.orders.list(user, before, limit, items_max).await.unwrap()
    }
}

pub(super) async fn newest_first(site: Site) {
    let (user, other) = (site.new_user(), site.new_user());
    let mut orders = site.kept_of(user, &[1, 3, 2, 1, 5]).await;
    let others = site.kept_of(other, &[2, 2]).await;
    for (order, status) in orders.iter_mut().zip(SETTLED) {
        let settlement = settlement(status);
        assert_eq!(site.orders.settle(order.hold(), &settlement).await, Ok(true));
        *order = settled(order.clone(), &settlement);
    }
    assert_eq!(orders[0].status, Status::Paid);
    assert_eq!(site.page(user, None, 50, ITEMS_MANY).await, Page { orders, more: false });
    assert_eq!(site.page(other, None, 50, ITEMS_MANY).await, Page { orders: others, more: false });
}

pub(super) async fn before_and_limit(site: Site) {
    let user = site.new_user();
    let orders = site.kept_of(user, &[1, 2, 1, 2, 1]).await;
    let _others = site.kept_of(site.new_user(), &[1, 1]).await;
    for limit in 1..=6_usize {
        for first in 0..=orders.len() {
            let before = first.checked_sub(1).map(|last| orders[last].id);
            let end = orders.len().min(first + limit);
            let expected = Page { orders: orders[first..end].to_vec(), more: end < orders.len() };
            assert_eq!(site.page(user, before, limit.try_into().unwrap(), ITEMS_MANY).await, expected);
        }
    }
    // An id that nobody has is as good a place to begin as any.
    let gap = OrderId::new(orders[0].id.get() + 1).unwrap();
    assert_eq!(site.page(user, Some(gap), 50, ITEMS_MANY).await.orders, orders);
    let lowest = OrderId::new(1).unwrap();
    assert_eq!(site.page(user, Some(lowest), 50, ITEMS_MANY).await.orders, []);
}

pub(super) async fn items_max(site: Site) {
    let user = site.new_user();
    // Newest first: 2, 4, 1, 3 items.
    let orders = site.kept_of(user, &[3, 1, 4, 2]).await;
    for (items_max, limit, count) in
        [(10, 4, 4), (9, 4, 3), (7, 4, 3), (6, 4, 2), (5, 4, 1), (2, 4, 1), (1, 4, 1), (10, 2, 2), (5, 2, 1)]
    {
        let page = site.page(user, None, limit, items_max).await;
        assert_eq!(page.orders, orders[..count], "{items_max} items, {limit} orders");
        assert_eq!(page.more, count < orders.len());
    }
    // One that is too large by itself, at the end.
    let last = site.page(user, Some(orders[2].id), 4, 1).await;
    assert_eq!(last, Page { orders: orders[3..].to_vec(), more: false });
}

pub(super) async fn while_orders_come_in(site: Site) {
    let user = site.new_user();
    let mut orders: Vec<Order> = (0..PAIRS * 2).map(|_| site.new_order(user)).collect();
    // Every second one is late, as that of a slower caller is, so that it comes in among those that are read.
    let late: Vec<Order> = (0..PAIRS).map(|n| orders.remove(n)).collect();
    for order in &orders {
        site.insert(order).await;
    }
    let there: BTreeSet<OrderId> = orders.iter().map(|order| order.id).collect();
    let writer = tokio::spawn({
        let site = site.clone();
        async move {
            for order in late {
                site.insert(&order).await;
            }
        }
    });
    loop {
        // A store that answers at once would leave the writer no turn.
        tokio::task::yield_now().await;
        let last_round = writer.is_finished();
        let read = every_page(&site, user).await;
        assert!(read.is_sorted_by(|newer, older| newer > older), "repeated or out of order: {read:?}");
        let read: BTreeSet<OrderId> = read.into_iter().collect();
        assert!(there.is_subset(&read), "skipped: {:?}", there.difference(&read));
        if last_round {
            writer.await.unwrap();
            assert_eq!(read.len(), PAIRS * 2);
            return;
        }
    }
}

async fn every_page(site: &Site, user: UserId) -> Vec<OrderId> {
    let mut read: Vec<OrderId> = Vec::new();
    loop {
        let page = site.page(user, read.last().copied(), 7, ITEMS_MANY).await;
        read.extend(page.orders.iter().map(|order| order.id));
        assert!(read.len() <= PAIRS * 2, "the list does not end");
        if !page.more {
            return read;
        }
    }
}
