//! What the application needs of the world, as obligations that every adapter keeps.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use money::Currency;

use crate::domain::{
    Backlog, ChargeOutcome, ChargeRequest, Due, Hold, IdempotencyKey, Order, OrderId, ProductCode, Quotes,
    Settlement, Status, UserId, VoidOutcome,
};

/// How long after an order became PENDING it is due for a reconciler: a driver has usually settled it by then.
pub const FIRST_CHECK: Duration = Duration::from_secs(2);

/// A store that could not do what it was asked. The cause is the adapter's to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written, nor will be.
    #[error("the store wrote nothing")]
    NotStarted,
    /// What was asked may or may not have happened; only reading again can tell.
    #[error("the store gave no answer")]
    Unknown,
}

/// Whether a write that had to wait may still begin. Asked again where the store tries again.
pub type Permit = Arc<dyn Fn() -> bool + Send + Sync>;

/// What became of an insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insert {
    /// The order is kept, durably.
    Inserted,
    /// Its id, or its user's key, is taken. Nothing was written.
    Clash,
}

/// A page of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub orders: Vec<Order>,
    /// Whether older orders follow.
    pub more: bool,
}

/// Where orders are kept.
///
/// What a method returned `Ok` for has been committed durably, and every later call on any instance sees
/// it. Orders are told apart by id, and by user and key, both unique and compared byte for byte. Every field
/// reads back as it was written. What is due is told by one clock, that of the store, whoever asks.
#[async_trait]
pub trait Orders: Send + Sync {
    /// Keeps a new order with its items, wholly or not at all; it is due after [`FIRST_CHECK`]. `permit` is asked right before the first statement
    /// is sent; where it says no, the answer is [`StoreError::NotStarted`].
    async fn insert(&self, order: &Order, permit: Permit) -> Result<Insert, StoreError>;

    /// The order that `user` placed with `key`.
    async fn find_by_key(&self, user: UserId, key: &IdempotencyKey) -> Result<Option<Order>, StoreError>;

    /// The order with this id.
    async fn find(&self, id: OrderId) -> Result<Option<Order>, StoreError>;

    /// The orders of `user` older than `before`, newest first: at most `limit` of them, and fewer where their
    /// items come to more than `items_max`, but at least one if there is one.
    async fn list(
        &self,
        user: UserId,
        before: Option<OrderId>,
        limit: u32,
        items_max: u32,
    ) -> Result<Page, StoreError>;

    /// Settles the order, if it is still PENDING and `settlement.guard` holds: with
    /// [`Guard::Fence`](crate::domain::Guard), if the fence is still that of `hold`. Tells whether it did; one of
    /// any number of callers does.
    async fn settle(&self, hold: Hold, settlement: &Settlement) -> Result<bool, StoreError>;

    /// Makes a NOT_CHARGED order PENDING, as [`Order::reopened`] has it, and due after [`FIRST_CHECK`], if its
    /// fence is still that of `hold`. Tells whether it did; one of any number of callers does.
    async fn reopen(&self, hold: Hold) -> Result<bool, StoreError>;

    /// PENDING orders that are due, those first that have been so for longest, `limit` at most.
    async fn due(&self, limit: u32) -> Result<Vec<Due>, StoreError>;

    /// Takes a PENDING order in hand, if its fence is still that of `hold`: its fence rises to that of
    /// [`Hold::taken`], and it is not due again before `again_in` has passed. Tells whether it did; one of any
    /// number of callers does.
    async fn claim(&self, hold: Hold, again_in: Duration) -> Result<bool, StoreError>;

    /// The PENDING orders, as far as the first `limit` to become due tell.
    async fn backlog(&self, limit: u32) -> Result<Backlog, StoreError>;
}

/// Who knows what products cost.
///
/// A product has at most one price in each currency. Codes are compared byte for byte. A price that was loaded is seen
/// by every later call on any instance.
#[async_trait]
pub trait PriceList: Send + Sync {
    /// The prices in `currency` of those of the `products` that have one. There are at most
    /// [`ITEMS_MAX`](crate::domain::ITEMS_MAX) products, each of them once.
    async fn quotes(&self, products: Vec<ProductCode>, currency: Currency) -> Result<Quotes, StoreError>;
}

/// Who charges customers.
#[async_trait]
pub trait Payments: Send + Sync {
    /// Charges the total to the user, at most once for the order however often it is called. Returns within
    /// `time_left`, by the clock of whoever drives. The outcome is
    /// [`NeverRan`](ChargeOutcome::NeverRan) only where no attempt can have reached Payment.
    async fn charge(&self, request: &ChargeRequest, time_left: Duration) -> ChargeOutcome;

    /// Makes sure that the order, if nothing is recorded for it yet, is never charged. Returns within `time_left`.
    async fn void(&self, order: OrderId, time_left: Duration) -> VoidOutcome;
}

/// What became of a request to place an order, as its caller was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Told {
    /// It is charged.
    Paid,
    /// Payment refused.
    Declined,
    /// It is recorded as not charged.
    NotCharged,
    /// It may be charged; it settles by itself.
    Unknown,
    /// What an earlier request with this key came to: nothing new.
    Repeated,
    /// Nothing was done.
    NotStarted,
    /// Nothing was done, since the price list says otherwise.
    Refused,
}

/// How a recovery of an order that was left PENDING ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recovered {
    /// Payment answered.
    Answered,
    /// It did not.
    Unanswered,
    /// It was not asked: another has the order in hand.
    LeftAlone,
}

/// Who watches the service.
pub trait Monitor: Send + Sync {
    /// A caller was told this of its order.
    fn told(&self, told: Told);

    /// A recovery ended.
    fn recovered(&self, how: Recovered);

    /// Payment knows the order with another amount, currency or user. Must never happen.
    fn mismatch(&self, order: OrderId);

    /// The order is recorded as something else than Payment's answer makes it. Must never happen.
    fn conflict(&self, order: OrderId, recorded: Status, answered: Status);

    /// What is PENDING.
    fn backlog(&self, backlog: &Backlog);
}

/// Time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch; may jump.
    fn now_ms(&self) -> i64;

    /// Time since some moment before the first call; never goes back.
    fn monotonic(&self) -> Duration;

    /// Returns after `duration`.
    async fn sleep(&self, duration: Duration);
}

/// Randomness.
pub trait Mint: Send + Sync {
    /// An id for a new order, above those this instance minted before. Another instance may have drawn the same.
    fn order_id(&self) -> OrderId;

    /// A key that no caller will guess or repeat.
    fn key(&self) -> IdempotencyKey;

    /// Half of `max` to all of it, so that those who met do not meet again.
    fn jittered(&self, max: Duration) -> Duration;
}

/// A task that runs to its end, whoever waits for it.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where tasks run that must not be cut in half.
pub trait Spawn: Send + Sync {
    /// Runs `task` to its end, also when the caller goes away; a stopping process waits for it.
    fn spawn(&self, task: Task);
}
