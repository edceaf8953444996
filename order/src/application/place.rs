//! Placing an order: starts the saga in a tracked task, and responds before the client's deadline.
//!
//! The task outlives its request: neither the deadline nor a client that disconnects cancels it. A client
//! whose deadline comes first gets OUTCOME_UNKNOWN.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{
    Application, CHARGE_MAX, ID_ATTEMPTS_MAX, IN_DOUBT_PAUSE, ORDER_TASK_MAX, RESPONSE_MARGIN, WORK_MIN,
    outcome::{PlaceError, PlaceResult, not_saved, placement_outcome},
    price::Priced,
    request_phase::{Phase, RequestPhase},
    saga::OrderSaga,
};
use crate::{
    domain::{Attempts, CreateOrder, IdempotencyKey, Order, OrderId},
    ports::{FIRST_CHECK, InsertOutcome, StartGuard, StoreError},
};

impl Application {
    /// Places an order under `key`, or under a new key if there is none. Returns the outcome at the latest
    /// [`RESPONSE_MARGIN`] before `time_left` has passed.
    ///
    /// # Errors
    ///
    /// [`PlaceError`]: every outcome but a charge.
    pub async fn place_order(
        &self,
        command: CreateOrder,
        key: Option<IdempotencyKey>,
        time_left: Duration,
    ) -> PlaceResult {
        let result = self.run_saga(command, key, time_left).await;
        self.monitor.record_placement(placement_outcome(&result));
        result
    }

    async fn run_saga(
        &self,
        command: CreateOrder,
        key: Option<IdempotencyKey>,
        time_left: Duration,
    ) -> PlaceResult {
        if time_left < RESPONSE_MARGIN + WORK_MIN {
            return Err(PlaceError::NotStarted("too little time left"));
        }
        let respond_in = time_left - RESPONSE_MARGIN;
        let phase = Arc::new(RequestPhase::default());
        let (sender, receiver) = oneshot::channel();
        let now = self.clock.monotonic();
        let saga = OrderSaga {
            application: self.clone(),
            respond_by: now + respond_in,
            charge_by: now + time_left.min(CHARGE_MAX),
            phase: phase.clone(),
        };
        let key = key.unwrap_or_else(|| self.ids.key());
        let clock = self.clock.clone();
        self.tasks.spawn(Box::pin(async move {
            tokio::select! {
                biased;
                // The receiver is gone if the client has disconnected; the order is settled all the same.
                result = saga.run(command, key) => drop(sender.send(result)),
                () = clock.sleep(ORDER_TASK_MAX) => {}
            }
        }));
        tokio::select! {
            biased;
            Ok(result) = receiver => result,
            () = self.clock.sleep(respond_in) => on_deadline(&phase),
        }
    }
}

/// The result for a client whose deadline comes before the end of the saga.
fn on_deadline(phase: &RequestPhase) -> PlaceResult {
    Err(match phase.abandon() {
        Phase::Pending(order) => PlaceError::OutcomeUnknown { order },
        Phase::Waiting(order) => PlaceError::InProgress { order },
        Phase::NotStarted | Phase::Abandoned => PlaceError::NotStarted("the store was too slow"),
    })
}

/// How an order came to be in the store.
enum Saved {
    /// This request inserted it.
    New(Order),
    /// This request inserted it, or another instance did that generated the same id for the same key at the
    /// same time. The row does not show which.
    InDoubt(Order),
    /// An earlier request inserted it.
    Earlier(Order),
}

impl OrderSaga {
    async fn run(&self, command: CreateOrder, key: IdempotencyKey) -> PlaceResult {
        match self.save(&command, key).await? {
            Saved::New(order) => self.charge(order, Attempts::Exclusive).await,
            Saved::InDoubt(found) => self.claim_and_charge(found).await,
            Saved::Earlier(order) => self.replay(order, command.fingerprint()).await,
        }
    }

    /// Inserts the order, or finds the one that an earlier request inserted under this key.
    async fn save(&self, command: &CreateOrder, key: IdempotencyKey) -> Result<Saved, PlaceError> {
        let draft = match self.price(command, &key).await? {
            Priced::Draft(draft) => draft,
            Priced::Earlier(order) => return Ok(Saved::Earlier(order)),
        };
        let Application { orders, ids, clock, .. } = &self.application;
        let mut order = Order::place(ids.order_id(), key, draft, clock.now_ms());
        // The id of INSERTs that may have been committed, or may still be.
        let mut in_doubt = None;
        let mut attempts = 0;
        while attempts < ID_ATTEMPTS_MAX {
            let (phase, id) = (self.phase.clone(), order.id);
            let start_guard: StartGuard = Arc::new(move || phase.try_begin(id));
            let inserted = orders.insert(&order, start_guard).await;
            match inserted {
                Ok(InsertOutcome::Inserted) => return Ok(Saved::New(order)),
                Ok(InsertOutcome::Conflict) => self.phase.retract(in_doubt),
                Err(StoreError::Unknown) => in_doubt = Some(order.id),
                Err(StoreError::Rejected) if in_doubt.is_none() => {
                    self.phase.retract(None);
                    return Err(PlaceError::NotStored);
                }
                Err(StoreError::NotStarted | StoreError::Rejected) => {
                    self.phase.retract(in_doubt);
                    if !self.may_try_again(in_doubt).await {
                        return Err(not_saved(in_doubt));
                    }
                }
            }
            match orders.find_by_key(order.user, &order.key).await {
                Ok(Some(found)) if in_doubt == Some(found.id) && found.fingerprint == order.fingerprint => {
                    return Ok(Saved::InDoubt(found));
                }
                Ok(Some(found)) => return Ok(Saved::Earlier(found)),
                // The id belongs to an order with another key, so no INSERT with it can be committed any
                // more. In any other case the same id is tried again: a client may have learnt it.
                Ok(None) if inserted == Ok(InsertOutcome::Conflict) => {
                    in_doubt = None;
                    self.phase.retract(None);
                    order.id = ids.order_id();
                    attempts += 1;
                }
                Ok(None) => attempts += usize::from(inserted == Err(StoreError::Unknown)),
                Err(_) if self.may_try_again(in_doubt).await => {}
                Err(_) => return Err(not_saved(in_doubt)),
            }
        }
        Err(not_saved(in_doubt))
    }

    /// Whether to go on with an INSERT that is in doubt while the store fails. Pauses first. The response at
    /// the deadline names its id, which the repeated INSERT makes exist.
    async fn may_try_again(&self, in_doubt: Option<OrderId>) -> bool {
        let clock = &self.application.clock;
        if in_doubt.is_none() || clock.monotonic() + IN_DOUBT_PAUSE >= self.respond_by {
            return false;
        }
        clock.sleep(IN_DOUBT_PAUSE).await;
        true
    }

    /// Charges an order that another saga may hold, once this one has claimed it. Without the higher fence,
    /// the other saga could record NOT_CHARGED while the charge of this one is on its way.
    async fn claim_and_charge(&self, found: Order) -> PlaceResult {
        match self.application.orders.claim(found.fencing_token(), FIRST_CHECK).await {
            Ok(true) => self.charge(found.claimed(), Attempts::Shared).await,
            _ => self.follow(found, true).await,
        }
    }
}
