//! What every store of orders must do: the obligations of the port `Orders`, one function each.
//!
//! An adapter's test hands a store to [`broken`]. The store may hold other orders, and
//! obligations leave theirs behind: each works with users and ids of its own.

mod due;
mod insert;
mod list;
mod read;
mod reopen;
mod settle;

use std::{future::Future, pin::Pin, sync::Arc};

use order::{
    adapters::system::SystemMint,
    domain::{Guard, Order, Settlement, Status, UserId},
    ports::{Insert, Mint, Orders},
};

use crate::samples;

/// How many callers race where one may win.
const RACERS: usize = 64;

pub(crate) type Obligation = fn(Site) -> Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) const OBLIGATIONS: &[(&str, Obligation)] = &[
    ("a new order reads back as written", |site| Box::pin(read::as_written(site))),
    ("an order of any status reads back as written", |site| Box::pin(read::of_any_status(site))),
    ("amounts are exact at their extremes", |site| Box::pin(read::exact_amounts(site))),
    ("times are kept to the millisecond", |site| Box::pin(read::exact_times(site))),
    ("what was never placed is not found", |site| Box::pin(read::nothing_of_nothing(site))),
    ("texts are kept byte for byte", |site| Box::pin(read::byte_for_byte(site))),
    ("an id that is taken is a clash", |site| Box::pin(insert::id_taken(site))),
    ("a key that its user took is a clash", |site| Box::pin(insert::key_taken(site))),
    ("a key is scoped to its user", |site| Box::pin(insert::key_of_another_user(site))),
    ("keys that differ in case are two", |site| Box::pin(insert::keys_of_another_case(site))),
    ("one of racing inserts with one key is kept", |site| Box::pin(insert::race_for_a_key(site))),
    ("one of racing inserts with one id is kept", |site| Box::pin(insert::race_for_an_id(site))),
    ("an insert whose permit is refused writes nothing", |site| Box::pin(insert::not_permitted(site))),
    ("an insert that is cut short is whole or nothing", |site| Box::pin(insert::cut_short(site))),
    ("a pending order is settled to any status", |site| Box::pin(settle::to_any_status(site))),
    ("one of racing settlements wins", |site| Box::pin(settle::race(site))),
    ("a stale fence settles nothing that is fenced", |site| Box::pin(settle::stale_fence(site))),
    ("a settled order is never settled again", |site| Box::pin(settle::never_again(site))),
    ("an order that is not there is not settled", |site| Box::pin(settle::nothing(site))),
    ("only what was not charged is reopened", |site| Box::pin(reopen::not_charged_only(site))),
    ("a stale fence reopens nothing", |site| Box::pin(reopen::stale_fence(site))),
    ("one of racing reopenings wins", |site| Box::pin(reopen::race(site))),
    ("a reopened order is settled under its new fence", |site| Box::pin(reopen::settled_again(site))),
    ("a new order is due after the first check", |site| Box::pin(due::after_the_first_check(site))),
    ("only pending orders are due or claimed", |site| Box::pin(due::pending_only(site))),
    ("a claimed order is due again when it was told", |site| Box::pin(due::again_when_it_was_told(site))),
    ("what has been due longest is listed first", |site| {
        Box::pin(due::longest_first_and_no_more_than_asked_for(site))
    }),
    ("a stale fence claims nothing", |site| Box::pin(due::stale_fence(site))),
    ("one of racing claims wins", |site| Box::pin(due::race(site))),
    ("a reopened order is pending since it was reopened", |site| {
        Box::pin(due::since_it_became_pending(site))
    }),
    ("the backlog counts what is due", |site| Box::pin(due::backlog(site))),
    ("a list is one user's, newest first", |site| Box::pin(list::newest_first(site))),
    ("a page begins and ends where it is told", |site| Box::pin(list::before_and_limit(site))),
    ("a page holds no more items than it may", |site| Box::pin(list::items_max(site))),
    ("pages stay whole while orders come in", |site| Box::pin(list::while_orders_come_in(site))),
];

/// Tries `obligations` on `orders`, and names those that it does not keep.
pub(crate) async fn broken(
    orders: Arc<dyn Orders>,
    obligations: &[(&'static str, Obligation)],
) -> Vec<&'static str> {
    let site = Site { orders, mint: Arc::default() };
    let mut broken = Vec::new();
    for (name, obligation) in obligations {
        if tokio::spawn(obligation(site.clone())).await.is_err() {
            broken.push(*name);
        }
    }
    broken
}

/// A store, and names that nobody has used in it.
#[derive(Clone)]
pub(crate) struct Site {
    orders: Arc<dyn Orders>,
    mint: Arc<SystemMint>,
}

impl Site {
    fn new_user(&self) -> UserId {
        samples::user(self.mint.order_id().get())
    }

    /// A new order of `user`, not kept yet.
    fn new_order(&self, user: UserId) -> Order {
        samples::order(self.mint.order_id(), user, self.mint.key())
    }

    /// An order of a user of its own, kept in this status.
    async fn kept(&self, status: Status) -> Order {
        let mut order = self.new_order(self.new_user());
        self.insert(&order).await;
        if status != Status::Pending {
            let settlement = settlement(status);
            assert_eq!(self.orders.settle(order.hold(), &settlement).await, Ok(true));
            order = settled(order, &settlement);
        }
        order
    }

    async fn insert(&self, order: &Order) {
        assert_eq!(self.orders.insert(order, samples::always()).await, Ok(Insert::Inserted));
    }

    /// Both ways of finding `order` find exactly it.
    async fn holds(&self, order: &Order) {
        assert_eq!(self.orders.find(order.id).await.unwrap().as_ref(), Some(order));
        assert_eq!(self.orders.find_by_key(order.user, &order.key).await.unwrap().as_ref(), Some(order));
    }
}

/// How an order comes to `status`, by the guard that the domain asks for.
fn settlement(status: Status) -> Settlement {
    Settlement {
        status,
        decline: (status == Status::Declined).then(samples::decline),
        guard: if status == Status::NotCharged { Guard::Fence } else { Guard::Pending },
    }
}

/// What `order` is after `settlement`.
fn settled(order: Order, settlement: &Settlement) -> Order {
    Order { status: settlement.status, decline: settlement.decline.clone(), ..order }
}

/// The statuses that settle an order.
const SETTLED: [Status; 4] = [Status::Paid, Status::Declined, Status::NotCharged, Status::Voided];

/// Runs `attempts` at once, and returns what they ended with, in their order.
async fn at_once<T, F>(attempts: impl Iterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let running: Vec<_> = attempts.map(tokio::spawn).collect();
    let mut ended = Vec::new();
    for task in running {
        ended.push(task.await.unwrap());
    }
    ended
}

/// The index of the only one that won.
fn only_winner(won: &[bool]) -> usize {
    let winners: Vec<usize> =
        won.iter().enumerate().filter(|(_, won)| **won).map(|(index, _)| index).collect();
    assert_eq!(winners.len(), 1, "winners: {winners:?}");
    winners[0]
}
