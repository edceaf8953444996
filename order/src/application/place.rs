//! Placing an order: starts the saga in a tracked task, and responds before the client's deadline.
//!
//! The task outlives its request: neither the deadline nor a client that disconnects cancels it. A client
//! whose deadline comes first gets OUTCOME_UNKNOWN.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{
    Application, CHARGE_MAX, CLAIM_LEASE_MAX, ID_ATTEMPTS_MAX, ORDER_TASK_MAX, RESPONSE_MARGIN, WORK_MIN,
    outcome::{PlaceError, PlaceResult, not_saved, placement_outcome},
    price::Priced,
    request_phase::{Phase, RequestPhase},
    saga::OrderSaga,
};
use crate::{
    domain::{Attempts, CreateOrder, IdempotencyKey, Order},
    ports::{InsertOutcome, StartGuard, StoreError},
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
        // The ids of INSERTs that may have been committed.
        let mut in_doubt = Vec::new();
        for _ in 0..ID_ATTEMPTS_MAX {
            let (phase, id) = (self.phase.clone(), order.id);
            let start_guard: StartGuard = Arc::new(move || phase.try_begin(id));
            match orders.insert(&order, start_guard).await {
                Ok(InsertOutcome::Inserted) => return Ok(Saved::New(order)),
                Ok(InsertOutcome::Conflict) => self.phase.retract(in_doubt.last().copied()),
                Err(StoreError::Unknown) => in_doubt.push(order.id),
                Err(StoreError::Rejected) if in_doubt.is_empty() => {
                    self.phase.retract(None);
                    return Err(PlaceError::NotStored);
                }
                Err(StoreError::NotStarted | StoreError::Rejected) => {
                    self.phase.retract(in_doubt.last().copied());
                    return Err(not_saved(in_doubt.last().copied()));
                }
            }
            match orders.find_by_key(order.user, &order.key).await {
                Ok(Some(found)) if in_doubt.contains(&found.id) && found.fingerprint == order.fingerprint => {
                    return Ok(Saved::InDoubt(found));
                }
                Ok(Some(found)) => return Ok(Saved::Earlier(found)),
                Ok(None) => order.id = ids.order_id(),
                Err(_) => return Err(not_saved(in_doubt.last().copied())),
            }
        }
        Err(not_saved(in_doubt.last().copied()))
    }

    /// Charges an order that another saga may hold, once this one has claimed it. Without the higher fence,
    /// the other saga could record NOT_CHARGED while the charge of this one is on its way.
    async fn claim_and_charge(&self, found: Order) -> PlaceResult {
        let Application { orders, ids, .. } = &self.application;
        match orders.claim(found.fencing_token(), ids.jittered(CLAIM_LEASE_MAX)).await {
            Ok(true) => self.charge(found.claimed(), Attempts::Shared).await,
            _ => self.follow(found, true).await,
        }
    }
}
