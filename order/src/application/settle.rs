//! Charging and settling an order, as the saga of a request and the reconciler both do.

use std::time::Duration;

use super::{Application, SETTLE_PAUSE, SETTLE_TRIES_MAX};
use crate::domain::{Attempts, ChargeOutcome, ChargeRequest, FencingToken, Guard, Order, Settlement, Status};

/// The outcome of an attempt to settle an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Settled {
    /// This call settled the order.
    ByUs(Settlement),
    /// Another task has settled or claimed the order.
    ByOther(Order),
    /// The order is PENDING, as far as is known.
    Unsettled,
}

impl Application {
    /// Charges through Payment, and records a mismatch that is new.
    pub(super) async fn charge(&self, request: &ChargeRequest, time_left: Duration) -> ChargeOutcome {
        let outcome = self.payments.charge(request, time_left).await;
        if outcome == ChargeOutcome::Mismatch {
            // The adapter logs the error of the store; an operator is called rather once too often.
            if self.orders.record_mismatch(request.order).await != Ok(false) {
                self.monitor.record_mismatch(request.order);
            }
        }
        outcome
    }

    /// Settles the order by the outcome of a charge, unless it must stay PENDING.
    pub(super) async fn settle_with(
        &self,
        token: FencingToken,
        outcome: ChargeOutcome,
        attempts: Attempts,
    ) -> Settled {
        match outcome.settlement(attempts) {
            Some(settlement) => self.settle(token, settlement).await,
            None => Settled::Unsettled,
        }
    }

    /// Settles the order, and wakes the requests that wait for it. Retries while the store fails: a charged
    /// order must not stay PENDING for a short outage.
    pub(super) async fn settle(&self, token: FencingToken, settlement: Settlement) -> Settled {
        let settled = self.try_settle(token, settlement).await;
        if settled != Settled::Unsettled {
            self.waiters.notify(token.order);
        }
        settled
    }

    async fn try_settle(&self, token: FencingToken, settlement: Settlement) -> Settled {
        for _ in 0..SETTLE_TRIES_MAX {
            let settled = self.orders.settle(token, &settlement).await;
            if settled == Ok(true) {
                return Settled::ByUs(settlement);
            }
            // Another task was first, or the write is in doubt: only the row shows which.
            let found = self.orders.find(token.order).await.ok().flatten();
            match found.filter(|found| settled.is_ok() || found.status != Status::Pending) {
                Some(found) if contradicts(&found, &settlement) => {
                    self.monitor.record_conflict(token.order, found.status, settlement.status);
                    return Settled::Unsettled;
                }
                Some(found) => return Settled::ByOther(found),
                None => self.clock.sleep(SETTLE_PAUSE).await,
            }
        }
        Settled::Unsettled
    }
}

/// Whether the row contradicts Payment's response, which never changes. A settlement that only the fence
/// guards may have been overtaken by another task.
fn contradicts(found: &Order, settlement: &Settlement) -> bool {
    let is_open = matches!(found.status, Status::Pending | Status::Unspecified);
    settlement.guard == Guard::Pending && !is_open && found.status != settlement.status
}
