//! Placing an order: saved PENDING, charged, settled; and what its caller is told at every turn.
//!
//! From the moment it is saved, an order is driven by a tracked task: a caller that leaves, or its
//! deadline, cannot cut that in half. The caller waits for the task, and is told OUTCOME_UNKNOWN where the
//! task needs longer.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{
    ANSWER_MARGIN, Application, DRIVE_MAX, ID_DRAWS_MAX, IN_PROGRESS_POLL, WORK_MIN, progress::Progress,
};
use crate::{
    domain::{Decline, Draft, IdempotencyKey, Order, OrderId, Status},
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
        let driver = Driver {
            application: self.clone(),
            charge_by: self.clock.monotonic() + answer_in,
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
    match progress.abandon() {
        Some(order) => Err(PlaceError::OutcomeUnknown { order }),
        None => Err(PlaceError::NotStarted("the store was too slow")),
    }
}

/// One request's work on its order.
struct Driver {
    application: Application,
    /// By the application's monotonic clock.
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
        let mut drawn = vec![order.id];
        for _ in 0..ID_DRAWS_MAX {
            if !self.progress.may_save(order.id) {
                return Err(PlaceError::NotStarted("the caller is gone"));
            }
            match orders.insert(&order).await {
                Ok(Insert::Inserted) => return Ok(Saved::New(order)),
                Ok(Insert::Clash) | Err(StoreError::Unknown) => {}
                // The first try wrote nothing; one after it leaves open what became of that.
                Err(StoreError::NotStarted) if drawn.len() == 1 => {
                    return Err(PlaceError::NotStarted("the store could not be reached"));
                }
                Err(StoreError::NotStarted) => return Err(PlaceError::OutcomeUnknown { order: order.id }),
            }
            let unknown = PlaceError::OutcomeUnknown { order: order.id };
            match orders.find_by_key(order.user, &order.key).await.map_err(|_| unknown)? {
                Some(found) if drawn.contains(&found.id) => return Ok(Saved::New(found)),
                Some(found) => return Ok(Saved::Before(found, Box::new(order))),
                None => order.id = mint.order_id(),
            }
            drawn.push(order.id);
        }
        Err(PlaceError::OutcomeUnknown { order: order.id })
    }

    /// Charges an order that is PENDING and in this driver's hands, and settles it.
    async fn charge(&self, order: Order) -> Answer {
        let Application { payments, clock, orders, .. } = &self.application;
        let time_left = self.charge_by.saturating_sub(clock.monotonic());
        let outcome = payments.charge(&order, time_left).await;
        let Some(settlement) = outcome.settlement() else {
            return Err(PlaceError::OutcomeUnknown { order: order.id });
        };
        let settled = orders.settle(&order, &settlement).await;
        if settled == Ok(true) {
            let settled = Order { status: settlement.status, decline: settlement.decline, ..order };
            return tell(settled, false);
        }
        // Lost to another driver, or not known: the row alone can tell.
        match orders.find(order.id).await {
            Ok(Some(found)) => tell(found, false),
            Ok(None) | Err(_) => Err(PlaceError::OutcomeUnknown { order: order.id }),
        }
    }

    /// Answers a request whose key an earlier one used: the same meaning gets the same final answer.
    async fn resume(&self, mut found: Order, wanted: &Order) -> Answer {
        let Application { orders, clock, .. } = &self.application;
        if found.fingerprint != wanted.fingerprint {
            return Err(PlaceError::KeyReused { order: found.id });
        }
        self.progress.may_save(found.id);
        loop {
            match found.status {
                Status::Paid | Status::Declined | Status::Voided => return tell(found, true),
                Status::NotCharged => {
                    let reopened = found.clone().reopened(clock.now_ms());
                    match orders.reopen(&found, &reopened).await {
                        Ok(true) => return self.charge(reopened).await,
                        Err(StoreError::NotStarted) => return tell(found, true),
                        Ok(false) | Err(StoreError::Unknown) => {}
                    }
                }
                Status::Pending if self.time_is_up() => return tell(found, true),
                Status::Pending => clock.sleep(IN_PROGRESS_POLL).await,
            }
            let again = orders.find(found.id).await;
            found = again.ok().flatten().ok_or(PlaceError::OutcomeUnknown { order: found.id })?;
        }
    }
}

impl Driver {
    /// Whether to stop waiting for another driver, early enough to say so before the caller's time is up.
    fn time_is_up(&self) -> bool {
        self.application.clock.monotonic() + IN_PROGRESS_POLL >= self.charge_by
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
