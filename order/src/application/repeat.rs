//! A key that was used before: the same meaning gets the same final answer.

use std::time::Duration;

use super::{
    Application, DRIVE_MAX, IN_PROGRESS_POLL,
    place::{Answer, Driver, PlaceError, tell, unsaved},
};
use crate::{
    domain::{Attempts, Order, Status},
    ports::StoreError,
};

impl Driver {
    /// Answers a request whose key an earlier one used: the same meaning gets the same final answer.
    pub(super) async fn resume(&self, mut found: Order, wanted: &Order) -> Answer {
        let Application { orders, clock, .. } = &self.application;
        if found.fingerprint != wanted.fingerprint {
            return Err(PlaceError::KeyReused { order: found.id });
        }
        self.progress.waits_for(found.id);
        // The order, where this request may have made it PENDING without an answer.
        let mut doubtful = Vec::new();
        loop {
            match found.status {
                Status::Paid | Status::Declined | Status::Voided => return tell(found, true),
                // Nothing is gained by trying again when there is no time left to charge.
                Status::NotCharged if doubtful.is_empty() && self.charging_is_over() => {
                    return tell(found, true);
                }
                Status::NotCharged if !self.progress.may_begin(found.id) => {
                    return Err(PlaceError::NotStarted("the caller is gone"));
                }
                Status::NotCharged => {
                    let reopened = found.clone().reopened(clock.now_ms());
                    match orders.reopen(&found, &reopened).await {
                        Ok(true) => return self.charge(reopened, Attempts::AllOwn).await,
                        // Another retry may have charged it since it was read.
                        Err(StoreError::NotStarted) => return Err(unsaved(&doubtful)),
                        Ok(false) if doubtful.is_empty() => self.progress.waits_for(found.id),
                        Ok(false) => {}
                        Err(StoreError::Unknown) if self.charging_is_over() => {
                            return Err(PlaceError::OutcomeUnknown { order: found.id });
                        }
                        Err(StoreError::Unknown) => {
                            doubtful = vec![found.id];
                            clock.sleep(IN_PROGRESS_POLL).await;
                        }
                    }
                }
                Status::Pending if doubtful.is_empty() && self.is_orphan(&found) => {
                    return self.take_over(found).await;
                }
                Status::Pending if self.time_is_up() => return tell(found, doubtful.is_empty()),
                Status::Pending => clock.sleep(IN_PROGRESS_POLL).await,
            }
            let again = orders.find(found.id).await;
            found = again.ok().flatten().ok_or(PlaceError::OutcomeUnknown { order: found.id })?;
        }
    }

    /// Charges an order that another driver left PENDING.
    async fn take_over(&self, orphan: Order) -> Answer {
        let Application { orders, .. } = &self.application;
        if !self.progress.may_begin(orphan.id) {
            return Err(PlaceError::NotStarted("the caller is gone"));
        }
        let unknown = PlaceError::OutcomeUnknown { order: orphan.id };
        let taken = orphan.clone().taken_over();
        match orders.reopen(&orphan, &taken).await {
            Ok(true) => self.charge(taken, Attempts::OthersToo).await,
            Ok(false) => {
                let found = orders.find(orphan.id).await.ok().flatten();
                found.map_or(Err(unknown), |found| tell(found, true))
            }
            Err(_) => Err(unknown),
        }
    }

    /// Whether a PENDING order has been so for longer than any driver works on one.
    fn is_orphan(&self, order: &Order) -> bool {
        let age_ms = self.application.clock.now_ms() - order.pending_since_ms;
        u64::try_from(age_ms).is_ok_and(|age| Duration::from_millis(age) >= DRIVE_MAX)
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
