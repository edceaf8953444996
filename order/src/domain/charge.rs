//! What a driver holds of an order: enough to charge it and to settle it.

use std::time::Duration;

use money::Money;

use super::{OrderId, Status, UserId};

/// A charge that Payment is asked for: as the order is stored, never as it would be derived again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChargeRequest {
    /// What is paid for.
    pub order: OrderId,
    /// Who pays.
    pub user: UserId,
    /// How much.
    pub total: Money,
}

/// An order in somebody's hands. Whoever takes it in hand next has a higher fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Which order.
    pub order: OrderId,
    /// The fence of the row when it was taken in hand.
    pub fence: i64,
}

impl Hold {
    /// What whoever takes the order from this hold has.
    #[must_use]
    pub fn taken(self) -> Self {
        Self { fence: self.fence + 1, ..self }
    }
}

/// A PENDING order that somebody should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// What it is to be charged.
    pub charge: ChargeRequest,
    /// Its fence when it was read.
    pub fence: i64,
    /// How long it has been PENDING, by the store's clock.
    pub pending_for: Duration,
}

impl Due {
    /// The order as whoever left it held it.
    pub fn hold(&self) -> Hold {
        Hold { order: self.charge.order, fence: self.fence }
    }
}

/// An order as the books have it: what was to be charged, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What was to be charged.
    pub charge: ChargeRequest,
    /// What became of it.
    pub status: Status,
    /// Its fence: one that is higher than before tells that somebody took the order in hand meanwhile.
    pub fence: i64,
}

/// The orders that are PENDING, or so many of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Those that are due: whoever placed them has left them, or works on them for longer than usual.
    pub orphans: usize,
    /// How long the oldest has been PENDING, by the store's clock; zero where there is none.
    pub oldest: Duration,
}
