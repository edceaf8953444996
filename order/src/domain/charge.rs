//! Parts of an order: what a charge, a compare-and-set, recovery and the audit need of it.

use std::time::Duration;

use money::Money;

use super::{OrderId, Status, UserId};

/// A charge to request from Payment: the stored amount, never one that is computed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChargeRequest {
    /// The order to pay for.
    pub order: OrderId,
    /// The customer to charge.
    pub user: UserId,
    /// The amount.
    pub total: Money,
}

/// The right to change an order, valid while the row still has this fence. Each claim raises the fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FencingToken {
    /// The order.
    pub order: OrderId,
    /// The fence of the row when it was read or written.
    pub fence: i64,
}

impl FencingToken {
    /// The token of the task whose claim with this token succeeded.
    #[must_use]
    pub fn next(self) -> Self {
        Self { fence: self.fence + 1, ..self }
    }
}

/// A PENDING order that is due for recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingOrder {
    /// The order.
    pub order: OrderId,
    /// The charge to request again; `None` if this program does not know the currency of the order.
    pub charge: Option<ChargeRequest>,
    /// The fence of the row when it was read.
    pub fence: i64,
    /// How long the order has been PENDING, by the store's clock.
    pub pending_for: Duration,
}

impl PendingOrder {
    /// The token to claim the order with.
    pub fn fencing_token(&self) -> FencingToken {
        FencingToken { order: self.order, fence: self.fence }
    }
}

/// An order as the audit compares it with its payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderSummary {
    /// The order.
    pub order: OrderId,
    /// The customer.
    pub user: UserId,
    /// The amount that Payment was, or will be, requested to charge; `None` if this program does not know the
    /// currency.
    pub total: Option<Money>,
    /// The status.
    pub status: Status,
    /// Whether an operator has resolved a mismatch of the order.
    pub resolved: bool,
    /// The fence. A higher one on a second read means that a task claimed the order in between.
    pub fence: i64,
}

/// The count of PENDING orders, up to a limit, and their age.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Orders that are due for recovery: their tasks have ended without settling them, or are slow.
    pub orphans: usize,
    /// How long the oldest has been PENDING, by the store's clock; zero if there is none.
    pub oldest: Duration,
    /// Mismatches that no operator has resolved. They count neither as orphans nor as the oldest.
    pub mismatches: usize,
}
