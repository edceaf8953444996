//! What the application requires of its environment, as contracts that every adapter keeps.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use money::Currency;

use crate::domain::{
    Backlog, ChargeOutcome, ChargeRequest, FencingToken, IdempotencyKey, Mismatch, Operator, Order, OrderId,
    PendingOrder, PriceMap, ProductCode, Reason, RecordedPayment, Settlement, Status, UserId, VoidOutcome,
};

/// How long after an order became PENDING it is due for recovery, unless its task renews the lease. Its own
/// task has usually settled it by then.
pub const FIRST_CHECK: Duration = Duration::from_secs(2);

/// Why a call of the store failed. The adapter logs the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written, and nothing will be.
    #[error("the store wrote nothing")]
    NotStarted,
    /// Nothing was written, since the store refuses the data. A retry fails as well.
    #[error("the store refuses the data")]
    Rejected,
    /// The write may or may not have happened; only a later read can tell.
    #[error("the store did not respond")]
    Unknown,
}

/// Whether a write that had to wait may still start. Called again for each attempt of the store.
pub type StartGuard = Arc<dyn Fn() -> bool + Send + Sync>;

/// The outcome of an insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertOutcome {
    /// The order is stored durably.
    Inserted,
    /// The id, or the key of the user, exists. Nothing was written.
    Conflict,
}

/// A page of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The orders, newest first.
    pub orders: Vec<Order>,
    /// Whether older orders follow.
    pub more: bool,
}

/// The store of orders.
///
/// A write that returned `Ok` is committed durably, and every later call on any instance sees it. Ids are
/// unique, and so are keys within a user; keys are compared byte for byte. Every field reads back as it was
/// written. The clock of the store alone decides which orders are due.
#[async_trait]
pub trait Orders: Send + Sync {
    /// Inserts a new order with its items, atomically; it is due after [`FIRST_CHECK`]. Calls `start_guard`
    /// right before the first statement is sent, and returns [`StoreError::NotStarted`] if that returns
    /// `false`.
    async fn insert(&self, order: &Order, start_guard: StartGuard) -> Result<InsertOutcome, StoreError>;

    /// The order of `user` with this key.
    async fn find_by_key(&self, user: UserId, key: &IdempotencyKey) -> Result<Option<Order>, StoreError>;

    /// The order with this id.
    async fn find(&self, id: OrderId) -> Result<Option<Order>, StoreError>;

    /// The status of the order with this id: cheaper than [`find`](Self::find).
    async fn status(&self, id: OrderId) -> Result<Option<Status>, StoreError>;

    /// The orders of `user` with ids below `before`, newest first: at most `limit`, and fewer if they have
    /// more than `items_max` items together, but at least one if there is one.
    async fn list(
        &self,
        user: UserId,
        before: Option<OrderId>,
        limit: u32,
        items_max: u32,
    ) -> Result<Page, StoreError>;

    /// Settles the order if it is still PENDING and, with [`Guard::Fence`](crate::domain::Guard), its fence
    /// is that of `token`. Returns whether it did. Of concurrent calls one returns `true`.
    async fn settle(&self, token: FencingToken, settlement: &Settlement) -> Result<bool, StoreError>;

    /// Makes a NOT_CHARGED order PENDING as by [`Order::reopened`], due after [`FIRST_CHECK`], if its fence
    /// is that of `token`. Returns whether it did. Of concurrent calls one returns `true`.
    async fn reopen(&self, token: FencingToken) -> Result<bool, StoreError>;

    /// PENDING orders that are due, longest due first, at most `limit`.
    async fn due(&self, limit: u32) -> Result<Vec<PendingOrder>, StoreError>;

    /// Claims a PENDING order if its fence is that of `token`: raises the fence to that of
    /// [`FencingToken::next`], and makes the order due again after `lease`. Returns whether it did. Of
    /// concurrent calls one returns `true`.
    async fn claim(&self, token: FencingToken, lease: Duration) -> Result<bool, StoreError>;

    /// Makes those of `orders` that are PENDING due after `lease` at the earliest. Changes nothing else.
    async fn renew(&self, orders: &[OrderId], lease: Duration) -> Result<(), StoreError>;

    /// Records that Payment knows the order with another amount, currency or user. Returns whether that is
    /// new.
    async fn record_mismatch(&self, order: OrderId) -> Result<bool, StoreError>;

    /// Counts the PENDING orders, of which it reads the first `limit` to become due.
    async fn backlog(&self, limit: u32) -> Result<Backlog, StoreError>;
}

/// The resolution of a mismatch by an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewResolution {
    /// The order.
    pub order: OrderId,
    /// Its new status.
    pub status: Status,
    /// The operator.
    pub operator: Operator,
    /// Why.
    pub reason: Reason,
    /// What Payment has recorded.
    pub payment: String,
}

/// The mismatches of a store of [`Orders`], for operators.
#[async_trait]
pub trait Mismatches: Send + Sync {
    /// The mismatch of the order, if one was found.
    async fn find(&self, order: OrderId) -> Result<Option<Mismatch>, StoreError>;

    /// The mismatches that are not resolved; with `all`, every one. Sorted by order.
    async fn list(&self, all: bool) -> Result<Vec<Mismatch>, StoreError>;

    /// Settles the order if it is PENDING, and records the resolution, in one transaction. Returns whether it
    /// did. Of concurrent calls one returns `true`.
    async fn resolve(&self, resolution: &NewResolution) -> Result<bool, StoreError>;
}

/// Why Payment's record of an order is not known. The texts are for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// Payment could not be reached or failed. The adapter logs the cause.
    #[error("Payment did not respond")]
    Unavailable,
    /// The response has a status that this program does not know.
    #[error("Payment's response has an unknown status")]
    UnknownStatus,
}

/// The records of the Payment service, for operators.
#[async_trait]
pub trait PaymentRecords: Send + Sync {
    /// What Payment has recorded for the order. `None` is no evidence: a charge may be on its way.
    async fn recorded(
        &self,
        order: OrderId,
        time_left: Duration,
    ) -> Result<Option<RecordedPayment>, PaymentError>;
}

/// The price list.
///
/// A product has at most one price in each currency. Codes are compared byte for byte. Every later call on
/// any instance sees a price that was loaded.
#[async_trait]
pub trait PriceList: Send + Sync {
    /// The prices in `currency` of those `products` that have one. There are at most
    /// [`ITEMS_MAX`](crate::domain::ITEMS_MAX) products, each of them once.
    async fn prices(&self, products: Vec<ProductCode>, currency: Currency) -> Result<PriceMap, StoreError>;
}

/// The Payment service.
#[async_trait]
pub trait Payments: Send + Sync {
    /// Charges the total to the user, at most once for the order, however often it is called. Returns within
    /// `time_left`, by the clock of the application. The outcome is [`NeverRan`](ChargeOutcome::NeverRan)
    /// only if no attempt can have reached Payment.
    async fn charge(&self, request: &ChargeRequest, time_left: Duration) -> ChargeOutcome;

    /// Records a tombstone, so that the order is never charged, unless Payment has recorded another outcome.
    /// Returns within `time_left`.
    async fn void(&self, order: OrderId, time_left: Duration) -> VoidOutcome;
}

/// The outcome of a request to place an order, as in its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlacementOutcome {
    /// The order is PAID.
    Paid,
    /// Payment declined the charge.
    Declined,
    /// The order is recorded as NOT_CHARGED.
    NotCharged,
    /// The order may be charged; recovery settles it.
    Unknown,
    /// The outcome of an earlier request with this key.
    Repeated,
    /// Nothing was done.
    NotStarted,
    /// Nothing was done, since the items cannot be priced.
    Refused,
}

/// The outcome of a recovery of an order that was left PENDING.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecoveryOutcome {
    /// Payment responded.
    Answered,
    /// Payment did not respond.
    Unanswered,
    /// Payment was not called, since another task claimed the order.
    LeftAlone,
}

/// Metrics and logs of the service.
pub trait Monitor: Send + Sync {
    /// A request to place an order got its response.
    fn record_placement(&self, outcome: PlacementOutcome);

    /// A recovery ended.
    fn record_recovery(&self, outcome: RecoveryOutcome);

    /// Payment was found to know the order with another amount, currency or user. Must never happen.
    fn record_mismatch(&self, order: OrderId);

    /// The recorded status contradicts Payment's response. Must never happen.
    fn record_conflict(&self, order: OrderId, recorded: Status, answered: Status);

    /// The number and age of PENDING orders.
    fn record_backlog(&self, backlog: &Backlog);
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

/// Ids and randomness.
pub trait IdGenerator: Send + Sync {
    /// An id for a new order, above all earlier ones of this instance. Another instance may generate the
    /// same.
    fn order_id(&self) -> OrderId;

    /// A unique key that cannot be guessed.
    fn key(&self) -> IdempotencyKey;

    /// A random duration from half of `max` to `max`, so that instances do not stay in step.
    fn jittered(&self, max: Duration) -> Duration;
}

/// A task to spawn.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Spawns tasks that must not be cancelled.
pub trait Spawn: Send + Sync {
    /// Runs `task` to its end, also after the request was cancelled. Graceful shutdown waits for it.
    fn spawn(&self, task: Task);
}
