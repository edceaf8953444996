//! The saga of one request: save the order PENDING, charge the customer, settle the order.

use std::{sync::Arc, time::Duration};

use super::{
    Application, RECOVERY_CALL_MAX,
    outcome::{PlaceError, PlaceResult, outcome_of},
    request_phase::RequestPhase,
    settle::Settled,
};
use crate::{
    domain::{Attempts, Order, Settlement},
    ports::FIRST_CHECK,
};

/// The work of one request on its order, in a task of its own.
pub(super) struct OrderSaga {
    pub(super) application: Application,
    /// When the client gets its response, by the application's monotonic clock.
    pub(super) respond_by: Duration,
    /// When a charge that the client waits for must have ended, by the same clock.
    pub(super) charge_by: Duration,
    /// Shared with the code that responds at the deadline.
    pub(super) phase: Arc<RequestPhase>,
}

impl OrderSaga {
    /// Charges a PENDING order that this saga has just claimed for [`FIRST_CHECK`], and settles it.
    pub(super) async fn charge(&self, order: Order, attempts: Attempts) -> PlaceResult {
        let id = order.id;
        self.application.with_lease(id, FIRST_CHECK, self.charge_claimed(order, attempts)).await
    }

    async fn charge_claimed(&self, order: Order, attempts: Attempts) -> PlaceResult {
        let application = &self.application;
        // A request in a currency that this program does not know was never parsed.
        let Some(charge) = order.charge() else {
            return Err(PlaceError::OutcomeUnknown { order: order.id });
        };
        let outcome = application.charge(&charge, self.charge_time()).await;
        match application.settle_with(order.fencing_token(), outcome, attempts).await {
            Settled::ByUs(Settlement { status, decline, .. }) => {
                outcome_of(Order { status, decline, ..order }, false)
            }
            Settled::ByOther(found) => outcome_of(found, false),
            Settled::Unsettled => Err(PlaceError::OutcomeUnknown { order: order.id }),
        }
    }

    /// How long a charge that starts now may take: the rest of the client's time, or once the client has its
    /// response, as long as in recovery.
    fn charge_time(&self) -> Duration {
        let now = self.application.clock.monotonic();
        if now < self.respond_by { self.charge_by.saturating_sub(now) } else { RECOVERY_CALL_MAX }
    }
}
