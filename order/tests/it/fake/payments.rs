//! A Payment in memory: it charges an order at most once, and is as slow or as deaf as a test says.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use money::Money;
use order::{
    domain::{ChargeOutcome, ChargeRequest, OrderId, VoidOutcome},
    ports::Payments,
};
use tokio::{
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

/// How a call of a Payment ends.
#[derive(Debug, Clone)]
pub(crate) enum Charge {
    /// With this, at once.
    Ends(ChargeOutcome),
    /// With this, after this time.
    EndsAfter(Duration, ChargeOutcome),
    /// With this, once the test adds a permit.
    EndsWhenLet(Arc<Semaphore>, ChargeOutcome),
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) order: OrderId,
    pub(crate) total: Money,
    pub(crate) time_left: Duration,
}

/// A Payment that charges unless it was told otherwise.
#[derive(Debug)]
pub(crate) struct FakePayments {
    script: Mutex<VecDeque<Charge>>,
    calls: watch::Sender<Vec<Call>>,
    charged: Mutex<BTreeMap<OrderId, Money>>,
    void_script: Mutex<VecDeque<VoidOutcome>>,
    voids: Mutex<Vec<OrderId>>,
}

impl Default for FakePayments {
    fn default() -> Self {
        let calls = watch::Sender::new(Vec::new());
        Self {
            script: Mutex::default(),
            calls,
            charged: Mutex::default(),
            void_script: Mutex::default(),
            voids: Mutex::default(),
        }
    }
}

impl FakePayments {
    /// The next calls end like this, one after the other.
    pub(crate) fn next(&self, charges: impl IntoIterator<Item = Charge>) {
        self.script.lock().unwrap().extend(charges);
    }

    /// The next call ends with what is returned here, once a permit is added to it.
    pub(crate) fn hold(&self, outcome: ChargeOutcome) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.next([Charge::EndsWhenLet(gate.clone(), outcome)]);
        gate
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.borrow().clone()
    }

    /// Returns once it has been called so often.
    pub(crate) async fn called(&self, times: usize) {
        self.calls.subscribe().wait_for(|calls| calls.len() >= times).await.unwrap();
    }

    /// What customers were charged.
    pub(crate) fn charged(&self) -> BTreeMap<OrderId, Money> {
        self.charged.lock().unwrap().clone()
    }

    /// The next orders that are given up end like this, one after the other; those after them are voided.
    pub(crate) fn next_voids(&self, outcomes: impl IntoIterator<Item = VoidOutcome>) {
        self.void_script.lock().unwrap().extend(outcomes);
    }

    /// The orders that were to be given up.
    pub(crate) fn voids(&self) -> Vec<OrderId> {
        self.voids.lock().unwrap().clone()
    }

    fn end(&self, request: &ChargeRequest, outcome: ChargeOutcome) -> ChargeOutcome {
        if outcome == ChargeOutcome::Charged {
            let before = self.charged.lock().unwrap().insert(request.order, request.total);
            assert!(before.is_none_or(|total| total == request.total), "a second charge is another one");
        }
        outcome
    }
}

#[async_trait]
impl Payments for FakePayments {
    async fn charge(&self, request: &ChargeRequest, time_left: Duration) -> ChargeOutcome {
        let call = Call { order: request.order, total: request.total, time_left };
        self.calls.send_modify(|calls| calls.push(call));
        let step = self.script.lock().unwrap().pop_front();
        let ended = timeout(time_left, async {
            match step.unwrap_or(Charge::Ends(ChargeOutcome::Charged)) {
                Charge::Ends(outcome) => outcome,
                Charge::EndsAfter(time, outcome) => {
                    sleep(time).await;
                    outcome
                }
                Charge::EndsWhenLet(gate, outcome) => {
                    gate.acquire().await.unwrap().forget();
                    outcome
                }
            }
        });
        ended.await.map_or(ChargeOutcome::Unknown, |outcome| self.end(request, outcome))
    }

    async fn void(&self, order: OrderId, _time_left: Duration) -> VoidOutcome {
        self.voids.lock().unwrap().push(order);
        self.void_script.lock().unwrap().pop_front().unwrap_or(VoidOutcome::Voided)
    }
}
