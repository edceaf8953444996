//! From an answer of Payment's to a settled order: what the driver of a request and the reconciler have in common.

use std::time::Duration;

use super::{Application, SETTLE_PAUSE, SETTLE_TRIES_MAX};
use crate::domain::{Attempts, ChargeOutcome, ChargeRequest, Guard, Hold, Order, Settlement, Status};

/// What became of an attempt to settle an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Settled {
    /// This settled it.
    Now(Settlement),
    /// Another did before, or took it in hand.
    Before(Order),
    /// It is PENDING, as far as anyone knows.
    Open,
}

impl Application {
    /// Asks Payment to charge, and tells what is known of that.
    pub(super) async fn ask(&self, request: &ChargeRequest, time_left: Duration) -> ChargeOutcome {
        let outcome = self.payments.charge(request, time_left).await;
        if outcome == ChargeOutcome::Mismatch {
            self.monitor.mismatch(request.order);
        }
        outcome
    }

    /// Records what is known of a charge, if it settles the order.
    pub(super) async fn conclude(&self, hold: Hold, outcome: ChargeOutcome, attempts: Attempts) -> Settled {
        match outcome.settlement(attempts) {
            Some(settlement) => self.settle(hold, settlement).await,
            None => Settled::Open,
        }
    }

    /// Settles the order. A store that fails is asked again: what was charged must not stay PENDING for a hiccup.
    pub(super) async fn settle(&self, hold: Hold, settlement: Settlement) -> Settled {
        for _ in 0..SETTLE_TRIES_MAX {
            let settled = self.orders.settle(hold, &settlement).await;
            if settled == Ok(true) {
                return Settled::Now(settlement);
            }
            // Lost to another driver, or not known: the row alone can tell.
            let found = self.orders.find(hold.order).await.ok().flatten();
            match found.filter(|found| settled.is_ok() || found.status != Status::Pending) {
                Some(found) if contradicts(&found, &settlement) => {
                    self.monitor.conflict(hold.order, found.status, settlement.status);
                    return Settled::Open;
                }
                Some(found) => return Settled::Before(found),
                None => self.clock.sleep(SETTLE_PAUSE).await,
            }
        }
        Settled::Open
    }
}

/// Whether the row denies what Payment answered, which never changes. What only a fence guards may have been
/// overtaken.
fn contradicts(found: &Order, settlement: &Settlement) -> bool {
    settlement.guard == Guard::Pending && found.status != Status::Pending && found.status != settlement.status
}
