//! Placing an order: saved PENDING, charged, settled; and what its caller is told at every turn.
//!
//! From the moment it is saved, an order is driven by a tracked task: a caller that leaves, or its
//! deadline, cannot cut that in half. The caller waits for the task, and is told OUTCOME_UNKNOWN where the
//! task needs longer.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{
    ANSWER_MARGIN, Application, CHARGE_MAX, DRIVE_MAX, ID_DRAWS_MAX, IN_PROGRESS_POLL, SETTLE_PAUSE,
    SETTLE_TRIES_MAX, WORK_MIN,
    progress::{Progress, State},
};
use crate::{
    domain::{ChargeOutcome, Decline, Draft, IdempotencyKey, Order, OrderId, Settlement, Status},
    ports::{Insert, StoreError},
};

/// An order that was charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The order, PAID.
    pub order: Order,
    /// Whether an earlier request with this key placed it.
    pub replayed: bool,
}

/// Why an order is not known to be charged, by what the caller can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Nothing was done; the caller may ask again.
    #[error("not started: {0}")]
    NotStarted(&'static str),
    /// Payment refused, for good.
    #[error("declined")]
    Declined {
        /// Which order.
        order: OrderId,
        /// Why.
        decline: Decline,
        /// Whether this repeats the answer to an earlier request with this key.
        replayed: bool,
    },
    /// Recorded: not charged, nor will it be unless this key is tried again.
    #[error("not charged")]
    NotCharged {
        /// Which order.
        order: OrderId,
    },
    /// It may have been charged; it settles by itself.
    #[error("outcome unknown")]
    OutcomeUnknown {
        /// Which order.
        order: OrderId,
    },
    /// The first request with this key is still being worked on.
    #[error("in progress")]
    InProgress {
        /// Which order.
        order: OrderId,
    },
    /// The key belongs to another request.
    #[error("key reused")]
    KeyReused {
        /// The order that it belongs to.
        order: OrderId,
    },
    /// Given up after a long PENDING; a new key is needed.
    #[error("voided")]
    Voided {
        /// Which order.
        order: OrderId,
    },
}

type Answer = Result<Placed, PlaceError>;

impl Application {
    /// Places `draft` under `key` (one is made where there is none) and tells what became of it, at the latest
    /// [`ANSWER_MARGIN`] before `budget` is used up.
    ///
    /// # Errors
    ///
    /// [`PlaceError`]: every outcome but a charge.
    pub async fn place_order(&self, draft: Draft, key: Option<IdempotencyKey>, budget: Duration) -> Answer {
        if budget < ANSWER_MARGIN + WORK_MIN {
            return Err(PlaceError::NotStarted("too little time left"));
        }
        let answer_in = budget - ANSWER_MARGIN;
        let progress = Arc::new(Progress::default());
        let (tell, told) = oneshot::channel();
        let now = self.clock.monotonic();
        let driver = Driver {
            application: self.clone(),
            answer_by: now + answer_in,
            charge_by: now + CHARGE_MAX,
            progress: progress.clone(),
        };
        let key = key.unwrap_or_else(|| self.mint.key());
        let clock = self.clock.clone();
        self.tasks.spawn(Box::pin(async move {
            tokio::select! {
                biased;
                // Nobody listens any more where the caller has left; the order is settled all the same.
                answer = driver.place(draft, key) => drop(tell.send(answer)),
                () = clock.sleep(DRIVE_MAX) => {}
            }
        }));
        tokio::select! {
            biased;
            Ok(answer) = told => answer,
            () = self.clock.sleep(answer_in) => late(&progress),
        }
    }
}

/// What a caller is told whose time is up before its order is settled.
fn late(progress: &Progress) -> Answer {
    Err(match progress.abandon() {
        State::Pending(order) => PlaceError::OutcomeUnknown { order },
        State::Waiting(order) => PlaceError::InProgress { order },
        State::Before | State::Abandoned => PlaceError::NotStarted("the store was too slow"),
    })
}

/// One request's work on its order.
struct Driver {
    application: Application,
    /// When the caller is answered, by the application's monotonic clock.
    answer_by: Duration,
    /// When a charge has ended, by the same clock; the caller's time has no part in it.
    charge_by: Duration,
    /// Shared with whoever answers the caller.
    progress: Arc<Progress>,
}

impl Driver {
    async fn place(&self, draft: Draft, key: IdempotencyKey) -> Answer {
        match self.save(draft, key).await? {
            Saved::New(order) => self.charge(order).await,
            Saved::Before(order, wanted) => self.resume(order, &wanted).await,
        }
    }

    /// Saves the order, or finds the one that an earlier request saved under this key.
    async fn save(&self, draft: Draft, key: IdempotencyKey) -> Result<Saved, PlaceError> {
        let Application { orders, mint, clock, .. } = &self.application;
        let mut order = Order::place(mint.order_id(), key, draft, clock.now_ms());
        // The ids under which the order may have been saved without an answer.
        let mut doubtful = Vec::new();
        for _ in 0..ID_DRAWS_MAX {
            if !self.progress.may_begin(order.id) {
                return Err(PlaceError::NotStarted("the caller is gone"));
            }
            match orders.insert(&order).await {
                Ok(Insert::Inserted) => return Ok(Saved::New(order)),
                Ok(Insert::Clash) => self.progress.did_nothing(doubtful.last().copied()),
                Err(StoreError::Unknown) => doubtful.push(order.id),
                Err(StoreError::NotStarted) => return Err(unsaved(&doubtful)),
            }
            match orders.find_by_key(order.user, &order.key).await {
                // As it was written: whoever has taken it in hand since holds a higher fence.
                Ok(Some(found)) if doubtful.contains(&found.id) => {
                    return Ok(Saved::New(Order { id: found.id, ..order }));
                }
                Ok(Some(found)) => return Ok(Saved::Before(found, Box::new(order))),
                Ok(None) => order.id = mint.order_id(),
                Err(_) => return Err(unsaved(&doubtful)),
            }
        }
        Err(unsaved(&doubtful))
    }

    /// Charges an order that is PENDING and in this driver's hands, and settles it.
    async fn charge(&self, order: Order) -> Answer {
        let Application { payments, clock, .. } = &self.application;
        let time_left = self.charge_by.saturating_sub(clock.monotonic());
        let outcome = payments.charge(&order, time_left).await;
        let Some(settlement) = outcome.settlement() else {
            return Err(PlaceError::OutcomeUnknown { order: order.id });
        };
        self.settle(order, settlement).await
    }

    /// Records what is known of the charge. A store that fails is asked again: what was charged must not stay
    /// PENDING for a hiccup.
    async fn settle(&self, order: Order, settlement: Settlement) -> Answer {
        let Application { clock, orders, .. } = &self.application;
        for _ in 0..SETTLE_TRIES_MAX {
            let settled = orders.settle(&order, &settlement).await;
            if settled == Ok(true) {
                let settled = Order { status: settlement.status, decline: settlement.decline, ..order };
                return tell(settled, false);
            }
            // Lost to another driver, or not known: the row alone can tell.
            let found = orders.find(order.id).await.ok().flatten();
            match found.filter(|found| settled.is_ok() || found.status != Status::Pending) {
                // A row that says NOT_CHARGED of what Payment answered is wrong, and is not repeated.
                Some(found) if found.status == Status::NotCharged && found.status != settlement.status => {
                    break;
                }
                Some(found) => return tell(found, false),
                None => clock.sleep(SETTLE_PAUSE).await,
            }
        }
        Err(PlaceError::OutcomeUnknown { order: order.id })
    }

    /// Answers a request whose key an earlier one used: the same meaning gets the same final answer.
    async fn resume(&self, mut found: Order, wanted: &Order) -> Answer {
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
                        Ok(true) => return self.charge(reopened).await,
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
}

impl Driver {
    /// Charges an order that another driver left PENDING. That one's call may have run, so whatever becomes of
    /// this one, the order is not recorded as not charged.
    async fn take_over(&self, orphan: Order) -> Answer {
        let Application { payments, clock, orders, .. } = &self.application;
        if !self.progress.may_begin(orphan.id) {
            return Err(PlaceError::NotStarted("the caller is gone"));
        }
        let unknown = PlaceError::OutcomeUnknown { order: orphan.id };
        let taken = Order { fence: orphan.fence + 1, attempts: orphan.attempts + 1, ..orphan.clone() };
        match orders.reopen(&orphan, &taken).await {
            Ok(true) => {}
            Ok(false) => {
                let found = orders.find(orphan.id).await.ok().flatten();
                return found.map_or(Err(unknown), |found| tell(found, true));
            }
            Err(_) => return Err(unknown),
        }
        let time_left = self.charge_by.saturating_sub(clock.monotonic());
        match payments.charge(&taken, time_left).await {
            ChargeOutcome::NeverRan => Err(unknown),
            outcome => match outcome.settlement() {
                Some(settlement) => self.settle(taken, settlement).await,
                None => Err(unknown),
            },
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

/// What a caller is told whose order could not be saved, unless it was under one of these ids.
fn unsaved(doubtful: &[OrderId]) -> PlaceError {
    match doubtful.last() {
        Some(&order) => PlaceError::OutcomeUnknown { order },
        None => PlaceError::NotStarted("the store could not be reached"),
    }
}

/// How an order came to be in the store.
enum Saved {
    /// This request saved it.
    New(Order),
    /// An earlier request saved the first; this one would have saved the second.
    Before(Order, Box<Order>),
}

/// What a caller is told of an order in this state.
fn tell(order: Order, replayed: bool) -> Answer {
    let id = order.id;
    match order.status {
        Status::Paid => Ok(Placed { order, replayed }),
        Status::Declined => {
            Err(PlaceError::Declined { order: id, decline: order.decline.unwrap_or_default(), replayed })
        }
        Status::NotCharged => Err(PlaceError::NotCharged { order: id }),
        Status::Voided => Err(PlaceError::Voided { order: id }),
        Status::Pending if replayed => Err(PlaceError::InProgress { order: id }),
        Status::Pending => Err(PlaceError::OutcomeUnknown { order: id }),
    }
}
