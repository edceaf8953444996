//! A request whose key an earlier request has used: the same request gets the same final outcome.

use std::time::Duration;

use super::{
    Application, IN_PROGRESS_POLL,
    outcome::{PlaceError, PlaceResult, not_saved, outcome_of},
    saga::OrderSaga,
};
use crate::{
    domain::{Attempts, Fingerprint, Order, Status},
    ports::StoreError,
};

impl OrderSaga {
    /// Returns the outcome of the earlier request if it has the same fingerprint.
    pub(super) async fn replay(&self, found: Order, fingerprint: &Fingerprint) -> PlaceResult {
        if found.fingerprint != *fingerprint {
            return Err(PlaceError::KeyReused { order: found.id });
        }
        self.phase.wait_for(found.id);
        self.follow(found, false).await
    }

    /// Waits until another task has settled the order, and charges it if that recorded NOT_CHARGED.
    /// `in_doubt`: this request may have made the order PENDING itself, by a write without a response.
    pub(super) async fn follow(&self, mut found: Order, mut in_doubt: bool) -> PlaceResult {
        let Application { orders, clock, .. } = &self.application;
        loop {
            match found.status {
                Status::Paid | Status::Declined | Status::Voided | Status::Unspecified => {
                    return outcome_of(found, !in_doubt);
                }
                // Another charge would have no time.
                Status::NotCharged if !in_doubt && self.charge_time_is_over() => {
                    return outcome_of(found, true);
                }
                Status::NotCharged if !self.phase.try_begin(found.id) => {
                    return Err(PlaceError::NotStarted("the caller is gone"));
                }
                Status::NotCharged => {
                    match orders.reopen(found.fencing_token()).await {
                        Ok(true) => return self.charge(found.reopened(), Attempts::Exclusive).await,
                        // Another retry may have charged the order since it was read.
                        Err(StoreError::NotStarted | StoreError::Rejected) => {
                            return Err(not_saved(in_doubt.then_some(found.id)));
                        }
                        Ok(false) if !in_doubt => self.phase.wait_for(found.id),
                        Ok(false) => {}
                        Err(StoreError::Unknown) if self.charge_time_is_over() => {
                            return Err(PlaceError::OutcomeUnknown { order: found.id });
                        }
                        Err(StoreError::Unknown) => {
                            in_doubt = true;
                            clock.sleep(IN_PROGRESS_POLL).await;
                        }
                    }
                }
                Status::Pending => {
                    if !self.application.wait_while_pending(found.id, self.time_to_wait()).await {
                        return outcome_of(found, !in_doubt);
                    }
                }
            }
            let again = orders.find(found.id).await;
            found = again.ok().flatten().ok_or(PlaceError::OutcomeUnknown { order: found.id })?;
        }
    }

    /// How long to wait for another task, so that the response is in time.
    fn time_to_wait(&self) -> Duration {
        self.respond_by.saturating_sub(self.application.clock.monotonic() + IN_PROGRESS_POLL)
    }

    /// Whether a charge that starts now would have no time.
    fn charge_time_is_over(&self) -> bool {
        self.application.clock.monotonic() >= self.charge_by
    }
}
