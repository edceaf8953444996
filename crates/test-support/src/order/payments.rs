//! A scripted Payment in memory, which charges an order at most once.

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

/// What happens to a call of `charge`.
#[derive(Debug, Clone)]
pub enum Charge {
    /// Returns at once.
    Ends(ChargeOutcome),
    /// Returns after this time.
    EndsAfter(Duration, ChargeOutcome),
    /// Returns once the semaphore has a permit.
    EndsWithPermit(Arc<Semaphore>, ChargeOutcome),
}

/// A call of `charge`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The order.
    pub order: OrderId,
    /// The amount.
    pub total: Money,
    /// The time that the caller gave.
    pub time_left: Duration,
}

/// Charges every order, after the scripted calls.
#[derive(Debug)]
pub struct FakePayments {
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
    /// Scripts the next calls of `charge`.
    pub fn next(&self, charges: impl IntoIterator<Item = Charge>) {
        self.script.lock().unwrap().extend(charges);
    }

    /// Scripts the next call to return once the semaphore has a permit.
    pub fn hold(&self, outcome: ChargeOutcome) -> Arc<Semaphore> {
        let permits = Arc::new(Semaphore::new(0));
        self.next([Charge::EndsWithPermit(permits.clone(), outcome)]);
        permits
    }

    /// Every call of `charge`.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.borrow().clone()
    }

    /// Returns after so many calls of `charge`.
    pub async fn called(&self, times: usize) {
        self.calls.subscribe().wait_for(|calls| calls.len() >= times).await.unwrap();
    }

    /// The charges, by order.
    pub fn charged(&self) -> BTreeMap<OrderId, Money> {
        self.charged.lock().unwrap().clone()
    }

    /// Scripts the next calls of `void`. Later calls void the order.
    pub fn next_voids(&self, outcomes: impl IntoIterator<Item = VoidOutcome>) {
        self.void_script.lock().unwrap().extend(outcomes);
    }

    /// The orders of every call of `void`.
    pub fn voids(&self) -> Vec<OrderId> {
        self.voids.lock().unwrap().clone()
    }

    fn end(&self, request: &ChargeRequest, outcome: ChargeOutcome) -> ChargeOutcome {
        if outcome == ChargeOutcome::Charged {
            let before = self.charged.lock().unwrap().insert(request.order, request.total);
            assert!(before.is_none_or(|total| total == request.total), "charged twice with two totals");
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
                Charge::EndsWithPermit(permits, outcome) => {
                    permits.acquire().await.unwrap().forget();
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
