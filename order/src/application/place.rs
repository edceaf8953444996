//! Placing an order: saved PENDING, charged, settled; and what its caller is told at every turn.
//!
//! From the moment it is saved, an order is driven by a tracked task: a caller that leaves, or its
//! deadline, cannot cut that in half. The caller waits for the task, and is told OUTCOME_UNKNOWN where the
//! task needs longer.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{
    ANSWER_MARGIN, Application, CHARGE_MAX, DRIVE_MAX, ID_DRAWS_MAX, RECHARGE_MAX, RECHECK_MAX, WORK_MIN,
    price::Priced,
    progress::{Progress, State},
    settle::Settled,
};
use crate::{
    domain::{Attempts, Basket, Decline, IdempotencyKey, Order, OrderId, Refusal, Settlement, Status},
    ports::{Insert, Permit, StoreError, Told},
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
    /// The price list refuses items, each of which is named; nothing was done.
    #[error("refused by the price list")]
    Refused(Vec<Refusal>),
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

pub(super) type Answer = Result<Placed, PlaceError>;

impl Application {
    /// Places what is `wanted` under `key` (one is made where there is none) and tells what became of it, at the latest
    /// [`ANSWER_MARGIN`] before `budget` is used up.
    ///
    /// # Errors
    ///
    /// [`PlaceError`]: every outcome but a charge.
    pub async fn place_order(
        &self,
        wanted: impl Into<Basket>,
        key: Option<IdempotencyKey>,
        budget: Duration,
    ) -> Answer {
        let answer = self.placed(wanted.into(), key, budget).await;
        self.monitor.told(told(&answer));
        answer
    }

    async fn placed(&self, basket: Basket, key: Option<IdempotencyKey>, budget: Duration) -> Answer {
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
            charge_by: now + budget.min(CHARGE_MAX),
            progress: progress.clone(),
        };
        let key = key.unwrap_or_else(|| self.mint.key());
        let clock = self.clock.clone();
        self.tasks.spawn(Box::pin(async move {
            tokio::select! {
                biased;
                // Nobody listens any more where the caller has left; the order is settled all the same.
                answer = driver.place(basket, key) => drop(tell.send(answer)),
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

/// What those who watch are told of an answer.
fn told(answer: &Answer) -> Told {
    match answer {
        Ok(Placed { replayed: true, .. })
        | Err(
            PlaceError::Declined { replayed: true, .. }
            | PlaceError::InProgress { .. }
            | PlaceError::KeyReused { .. }
            | PlaceError::Voided { .. },
        ) => Told::Repeated,
        Ok(_) => Told::Paid,
        Err(PlaceError::Declined { .. }) => Told::Declined,
        Err(PlaceError::NotCharged { .. }) => Told::NotCharged,
        Err(PlaceError::OutcomeUnknown { .. }) => Told::Unknown,
        Err(PlaceError::NotStarted(_)) => Told::NotStarted,
        Err(PlaceError::Refused(_)) => Told::Refused,
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
pub(super) struct Driver {
    pub(super) application: Application,
    /// When the caller is answered, by the application's monotonic clock.
    pub(super) answer_by: Duration,
    /// When a charge that the caller waits for has ended, by the same clock.
    pub(super) charge_by: Duration,
    /// Shared with whoever answers the caller.
    pub(super) progress: Arc<Progress>,
}

impl Driver {
    async fn place(&self, basket: Basket, key: IdempotencyKey) -> Answer {
        match self.save(&basket, key).await? {
            Saved::New(order) => self.charge(order, Attempts::AllOwn).await,
            Saved::Doubtful(found) => self.take(found).await,
            Saved::Before(order) => self.resume(order, basket.fingerprint()).await,
        }
    }

    /// Saves the order, or finds the one that an earlier request saved under this key.
    async fn save(&self, basket: &Basket, key: IdempotencyKey) -> Result<Saved, PlaceError> {
        let draft = match self.price(basket, &key).await? {
            Priced::Now(draft) => draft,
            Priced::Before(order) => return Ok(Saved::Before(order)),
        };
        let Application { orders, mint, clock, .. } = &self.application;
        let mut order = Order::place(mint.order_id(), key, draft, clock.now_ms());
        // The ids under which the order may have been saved without an answer.
        let mut doubtful = Vec::new();
        for _ in 0..ID_DRAWS_MAX {
            let (progress, id) = (self.progress.clone(), order.id);
            let permit: Permit = Arc::new(move || progress.may_begin(id));
            match orders.insert(&order, permit).await {
                Ok(Insert::Inserted) => return Ok(Saved::New(order)),
                Ok(Insert::Clash) => self.progress.did_nothing(doubtful.last().copied()),
                Err(StoreError::Unknown) => doubtful.push(order.id),
                Err(StoreError::NotStarted) => {
                    self.progress.did_nothing(doubtful.last().copied());
                    return Err(unsaved(doubtful.last().copied()));
                }
            }
            match orders.find_by_key(order.user, &order.key).await {
                Ok(Some(found)) if doubtful.contains(&found.id) && found.fingerprint == order.fingerprint => {
                    return Ok(Saved::Doubtful(found));
                }
                Ok(Some(found)) => return Ok(Saved::Before(found)),
                Ok(None) => order.id = mint.order_id(),
                Err(_) => return Err(unsaved(doubtful.last().copied())),
            }
        }
        Err(unsaved(doubtful.last().copied()))
    }

    /// Charges an order that may be another driver's, once it is taken from that one's hands: without a higher fence,
    /// that one could record NOT_CHARGED while this one's charge is on its way.
    async fn take(&self, found: Order) -> Answer {
        let Application { orders, mint, .. } = &self.application;
        match orders.claim(found.hold(), mint.jittered(RECHECK_MAX)).await {
            Ok(true) => self.charge(found.taken(), Attempts::OthersToo).await,
            _ => self.follow(found, true).await,
        }
    }

    /// Charges an order that is PENDING and in this driver's hands, and settles it.
    pub(super) async fn charge(&self, order: Order, attempts: Attempts) -> Answer {
        let application = &self.application;
        let outcome = application.ask(&order.charge(), self.time_to_charge()).await;
        match application.conclude(order.hold(), outcome, attempts).await {
            Settled::Now(Settlement { status, decline, .. }) => {
                tell(Order { status, decline, ..order }, false)
            }
            Settled::Before(found) => tell(found, false),
            Settled::Open => Err(PlaceError::OutcomeUnknown { order: order.id }),
        }
    }

    /// How long a charge that begins now may take: what is left of the caller's time; and what a reconciler would
    /// give it, once the caller has been answered.
    fn time_to_charge(&self) -> Duration {
        let now = self.application.clock.monotonic();
        if now < self.answer_by { self.charge_by.saturating_sub(now) } else { RECHARGE_MAX }
    }
}

/// What a caller is told whose order could not be saved, unless it was under this id.
pub(super) fn unsaved(doubtful: Option<OrderId>) -> PlaceError {
    match doubtful {
        Some(order) => PlaceError::OutcomeUnknown { order },
        None => PlaceError::NotStarted("the store could not be reached"),
    }
}

/// How an order came to be in the store.
enum Saved {
    /// This request saved it.
    New(Order),
    /// This request saved it, or another instance did that drew the same id for the same key at the same time; the
    /// row does not tell which.
    Doubtful(Order),
    /// An earlier request saved it.
    Before(Order),
}

/// What a caller is told of an order in this state.
pub(super) fn tell(order: Order, replayed: bool) -> Answer {
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
