//! The contract of the port `Orders`, one function for each requirement.
//!
//! The store under test may contain other orders: each requirement uses its own users and ids, and leaves its
//! orders behind.

mod due;
mod insert;
mod list;
mod read;
mod reopen;
mod settle;

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use order::{
    adapters::runtime::SystemIdGenerator,
    domain::{Guard, Order, Settlement, Status, UserId},
    ports::{IdGenerator, InsertOutcome, Orders},
};

use test_support::order as samples;

/// The number of concurrent calls of which one may succeed.
const RACERS: usize = 32;

pub(crate) type Requirement = fn(Fixture) -> Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) const CONTRACT: &[(&str, Requirement)] = &[
    ("a new order reads back as written", |fixture| Box::pin(read::as_written(fixture))),
    ("an order of any status reads back as written", |fixture| Box::pin(read::of_any_status(fixture))),
    ("amounts are exact at their extremes", |fixture| Box::pin(read::exact_amounts(fixture))),
    ("times are stored to the millisecond", |fixture| Box::pin(read::exact_times(fixture))),
    ("an order that was never inserted is not found", |fixture| Box::pin(read::never_inserted(fixture))),
    ("the status of an order is that of its last change", |fixture| Box::pin(read::status(fixture))),
    ("texts are stored byte for byte", |fixture| Box::pin(read::byte_for_byte(fixture))),
    ("an id that exists is a conflict", |fixture| Box::pin(insert::id_taken(fixture))),
    ("a key that the user has used is a conflict", |fixture| Box::pin(insert::key_taken(fixture))),
    ("a key is scoped to its user", |fixture| Box::pin(insert::key_of_another_user(fixture))),
    ("keys are case-sensitive", |fixture| Box::pin(insert::case_sensitive_keys(fixture))),
    ("one of concurrent inserts with one key succeeds", |fixture| Box::pin(insert::race_for_a_key(fixture))),
    ("one of concurrent inserts with one id succeeds", |fixture| Box::pin(insert::race_for_an_id(fixture))),
    ("an insert whose start guard is false writes nothing", |fixture| {
        Box::pin(insert::start_guard_is_false(fixture))
    }),
    ("a cancelled insert is atomic", |fixture| Box::pin(insert::cancelled(fixture))),
    ("a PENDING order is settled to any status", |fixture| Box::pin(settle::to_any_status(fixture))),
    ("one of concurrent settlements succeeds", |fixture| Box::pin(settle::race(fixture))),
    ("a stale fence settles nothing with a fence guard", |fixture| Box::pin(settle::stale_fence(fixture))),
    ("a settled order is never settled again", |fixture| Box::pin(settle::never_again(fixture))),
    ("an order that does not exist is not settled", |fixture| Box::pin(settle::missing_order(fixture))),
    ("only NOT_CHARGED orders are reopened", |fixture| Box::pin(reopen::not_charged_only(fixture))),
    ("a stale fence reopens nothing", |fixture| Box::pin(reopen::stale_fence(fixture))),
    ("one of concurrent reopenings succeeds", |fixture| Box::pin(reopen::race(fixture))),
    ("a reopened order is settled under its new fence", |fixture| Box::pin(reopen::settled_again(fixture))),
    ("a new order is due after the first check", |fixture| Box::pin(due::after_the_first_check(fixture))),
    ("only PENDING orders are due or claimed", |fixture| Box::pin(due::pending_only(fixture))),
    ("a claimed order is due when its lease ends", |fixture| Box::pin(due::after_the_lease(fixture))),
    ("orders are due in the order of time, up to the limit", |fixture| {
        Box::pin(due::longest_first_up_to_the_limit(fixture))
    }),
    ("a renewed order is due when its lease ends", |fixture| Box::pin(due::renewed(fixture))),
    ("a renewal shortens no lease and changes PENDING orders only", |fixture| {
        Box::pin(due::renewed_in_vain(fixture))
    }),
    ("many orders are renewed at once", |fixture| Box::pin(due::many_renewed(fixture))),
    ("a stale fence claims nothing", |fixture| Box::pin(due::stale_fence(fixture))),
    ("one of concurrent claims succeeds", |fixture| Box::pin(due::race(fixture))),
    ("a reopened order is PENDING since it was reopened", |fixture| {
        Box::pin(due::since_it_became_pending(fixture))
    }),
    ("a mismatch is new once", |fixture| Box::pin(due::mismatch(fixture))),
    ("the backlog counts due orders", |fixture| Box::pin(due::backlog(fixture))),
    ("a list has the orders of one user, newest first", |fixture| Box::pin(list::newest_first(fixture))),
    ("a page respects its start and its limit", |fixture| Box::pin(list::before_and_limit(fixture))),
    ("a page has at most so many items", |fixture| Box::pin(list::items_max(fixture))),
    ("pages skip and repeat nothing while orders are inserted", |fixture| {
        Box::pin(list::during_inserts(fixture))
    }),
];

/// The names of the requirements that `instances` of one store do not meet. They are called in turn, so that
/// each must see the writes of the others.
pub(crate) async fn violations(instances: Vec<Arc<dyn Orders>>) -> Vec<&'static str> {
    let fixture = Fixture { instances: instances.into(), calls: Arc::default(), ids: Arc::default() };
    let mut violations = Vec::new();
    for (name, requirement) in CONTRACT {
        if tokio::spawn(requirement(fixture.clone())).await.is_err() {
            violations.push(*name);
        }
    }
    violations
}

/// The store under test, and a source of unused ids.
#[derive(Clone)]
pub(crate) struct Fixture {
    instances: Arc<[Arc<dyn Orders>]>,
    calls: Arc<AtomicUsize>,
    ids: Arc<SystemIdGenerator>,
}

impl Fixture {
    /// The next instance.
    fn orders(&self) -> Arc<dyn Orders> {
        self.instances[self.calls.fetch_add(1, Ordering::Relaxed) % self.instances.len()].clone()
    }

    fn new_user(&self) -> UserId {
        samples::user(self.ids.order_id().get())
    }

    /// A new order of `user`, not inserted yet.
    fn new_order(&self, user: UserId) -> Order {
        samples::order(self.ids.order_id(), user, self.ids.key())
    }

    /// An inserted order of a new user with this status.
    async fn inserted(&self, status: Status) -> Order {
        let mut order = self.new_order(self.new_user());
        self.insert(&order).await;
        if status != Status::Pending {
            let settlement = settlement(status);
            assert_eq!(self.orders().settle(order.fencing_token(), &settlement).await, Ok(true));
            order = settled(order, &settlement);
        }
        order
    }

    async fn insert(&self, order: &Order) {
        assert_eq!(self.orders().insert(order, samples::always()).await, Ok(InsertOutcome::Inserted));
    }

    /// Asserts that both ways of finding `order` return it unchanged.
    async fn assert_stored(&self, order: &Order) {
        assert_eq!(self.orders().find(order.id).await.unwrap().as_ref(), Some(order));
        assert_eq!(self.orders().find_by_key(order.user, &order.key).await.unwrap().as_ref(), Some(order));
    }
}

/// A settlement with `status` and the guard that the domain gives it.
fn settlement(status: Status) -> Settlement {
    Settlement {
        status,
        decline: (status == Status::Declined).then(samples::decline),
        guard: if status == Status::NotCharged { Guard::Fence } else { Guard::Pending },
    }
}

/// `order` after `settlement`.
fn settled(order: Order, settlement: &Settlement) -> Order {
    Order { status: settlement.status, decline: settlement.decline.clone(), ..order }
}

/// The statuses of settled orders.
const SETTLED: [Status; 4] = [Status::Paid, Status::Declined, Status::NotCharged, Status::Voided];

/// Runs `attempts` concurrently, and returns their results in order.
async fn concurrently<T, F>(attempts: impl Iterator<Item = F>) -> Vec<T>
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

/// The index of the only attempt that succeeded.
fn only_winner(won: &[bool]) -> usize {
    let winners: Vec<usize> =
        won.iter().enumerate().filter(|(_, won)| **won).map(|(index, _)| index).collect();
    assert_eq!(winners.len(), 1, "winners: {winners:?}");
    winners[0]
}
