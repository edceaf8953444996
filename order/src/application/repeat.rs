//! A key that was used before: the same meaning gets the same final answer.

use super::{
    Application, IN_PROGRESS_POLL,
    place::{Answer, Driver, PlaceError, tell, unsaved},
};
use crate::{
    domain::{Attempts, Fingerprint, Order, Status},
    ports::StoreError,
};

impl Driver {
    /// Answers a request whose key an earlier one used: the same meaning gets the same final answer.
    pub(super) async fn resume(&self, found: Order, wanted: &Fingerprint) -> Answer {
        if found.fingerprint != *wanted {
            return Err(PlaceError::KeyReused { order: found.id });
        }
        self.progress.waits_for(found.id);
        self.follow(found, false).await
    }

    /// Waits until others have settled the order, and charges it where they recorded NOT_CHARGED. `doubtful` says that
    /// this request may have made it PENDING itself, without an answer.
    pub(super) async fn follow(&self, mut found: Order, mut doubtful: bool) -> Answer {
        let Application { orders, clock, .. } = &self.application;
        loop {
            match found.status {
                Status::Paid | Status::Declined | Status::Voided => return tell(found, !doubtful),
                // Nothing is gained by trying again when there is no time left to charge.
                Status::NotCharged if !doubtful && self.charging_is_over() => {
                    return tell(found, true);
                }
                Status::NotCharged if !self.progress.may_begin(found.id) => {
                    return Err(PlaceError::NotStarted("the caller is gone"));
                }
                Status::NotCharged => {
                    match orders.reopen(found.hold()).await {
                        Ok(true) => return self.charge(found.reopened(), Attempts::AllOwn).await,
                        // Another retry may have charged it since it was read.
                        Err(StoreError::NotStarted) => return Err(unsaved(doubtful.then_some(found.id))),
                        Ok(false) if !doubtful => self.progress.waits_for(found.id),
                        Ok(false) => {}
                        Err(StoreError::Unknown) if self.charging_is_over() => {
                            return Err(PlaceError::OutcomeUnknown { order: found.id });
                        }
                        Err(StoreError::Unknown) => {
                            doubtful = true;
                            clock.sleep(IN_PROGRESS_POLL).await;
                        }
                    }
                }
                Status::Pending if self.time_is_up() => return tell(found, !doubtful),
                Status::Pending => clock.sleep(IN_PROGRESS_POLL).await,
            }
            let again = orders.find(found.id).await;
            found = again.ok().flatten().ok_or(PlaceError::OutcomeUnknown { order: found.id })?;
        }
    }

    /// Whether to stop waiting for another driver, early enough to say so before the caller's time is up.
    fn time_is_up(&self) -> bool {
        self.application.clock.monotonic() + IN_PROGRESS_POLL >= self.answer_by
    }

    /// Whether a charge that began now would have no time.
    fn charging_is_over(&self) -> bool {
        self.application.clock.monotonic() >= self.charge_by
    }
}
