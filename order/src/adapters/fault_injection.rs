//! The store and Payment, failing on purpose at named points: for tests of processes alone (feature `fault-injection`).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use service_kit::{
    env::Reader,
    fault_injection::{Fault, FaultRules, Step},
};

use crate::{
    domain::{
        Backlog, ChargeOutcome, ChargeRequest, Due, Hold, IdempotencyKey, Order, OrderId, Settlement, UserId,
        VoidOutcome,
    },
    ports::{Insert, Orders, Page, Payments, Permit, StoreError},
};

const INSERT: Step = Step { before: "orders.insert.before", after: "orders.insert.after" };
const FIND_BY_KEY: Step = Step { before: "orders.find_by_key.before", after: "orders.find_by_key.after" };
const SETTLE: Step = Step { before: "orders.settle.before", after: "orders.settle.after" };
const REOPEN: Step = Step { before: "orders.reopen.before", after: "orders.reopen.after" };
const CLAIM: Step = Step { before: "orders.claim.before", after: "orders.claim.after" };
const CHARGE: Step = Step { before: "payments.charge.before", after: "payments.charge.after" };
const VOID: Step = Step { before: "payments.void.before", after: "payments.void.after" };

const STEPS: [Step; 7] = [INSERT, FIND_BY_KEY, SETTLE, REOPEN, CLAIM, CHARGE, VOID];

/// `database`, with the points of this service that `FAULT_INJECTION` names.
pub(crate) fn read(reader: &mut Reader<'_>, database: Option<database::Config>) -> Option<database::Config> {
    let own = STEPS.iter().flat_map(|step| [step.before, step.after]);
    let points: Vec<&str> = own.chain(database::POINTS).collect();
    let faults = FaultRules::read(reader, &points);
    database.map(|database| database::Config { faults, ..database })
}

/// The ports with `points` around what they do; the same ports where nothing is to fail.
pub(crate) fn around(
    orders: Arc<dyn Orders>,
    payments: Arc<dyn Payments>,
    points: &FaultRules,
) -> (Arc<dyn Orders>, Arc<dyn Payments>) {
    if points.is_empty() {
        return (orders, payments);
    }
    let orders = FailingOrders { inner: orders, points: points.clone() };
    (Arc::new(orders), Arc::new(FailingPayments { inner: payments, points: points.clone() }))
}

/// What a store that fails like this tells.
fn store<T>(fault: Fault) -> Result<T, StoreError> {
    Err(match fault {
        Fault::Refused => StoreError::NotStarted,
        Fault::Unanswered | Fault::Twice(_) => StoreError::Unknown,
    })
}

struct FailingOrders {
    inner: Arc<dyn Orders>,
    points: FaultRules,
}

#[async_trait]
impl Orders for FailingOrders {
    async fn insert(&self, order: &Order, permit: Permit) -> Result<Insert, StoreError> {
        let unsure = permit.clone();
        let failed = |fault| {
            // Nobody doubts an insert that may not begin; one that nobody is sure of has begun.
            if fault != Fault::Refused && !unsure() { Err(StoreError::NotStarted) } else { store(fault) }
        };
        self.points.around(INSERT, self.inner.insert(order, permit), failed).await
    }

    async fn find_by_key(&self, user: UserId, key: &IdempotencyKey) -> Result<Option<Order>, StoreError> {
        self.points.around(FIND_BY_KEY, self.inner.find_by_key(user, key), store).await
    }

    async fn find(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.inner.find(id).await
    }

    async fn list(
        &self,
        user: UserId,
        before: Option<OrderId>,
        limit: u32,
        items_max: u32,
    ) -> Result<Page, StoreError> {
        self.inner.list(user, before, limit, items_max).await
    }

    async fn settle(&self, hold: Hold, settlement: &Settlement) -> Result<bool, StoreError> {
        self.points.around(SETTLE, self.inner.settle(hold, settlement), store).await
    }

    async fn reopen(&self, hold: Hold) -> Result<bool, StoreError> {
        self.points.around(REOPEN, self.inner.reopen(hold), store).await
    }

    async fn due(&self, limit: u32) -> Result<Vec<Due>, StoreError> {
        self.inner.due(limit).await
    }

    async fn claim(&self, hold: Hold, again_in: Duration) -> Result<bool, StoreError> {
        self.points.around(CLAIM, self.inner.claim(hold, again_in), store).await
    }

    async fn backlog(&self, limit: u32) -> Result<Backlog, StoreError> {
        self.inner.backlog(limit).await
    }
}

struct FailingPayments {
    inner: Arc<dyn Payments>,
    points: FaultRules,
}

impl FailingPayments {
    /// A copy of the call that the network held back: nobody hears its answer.
    fn deliver_again(&self, request: ChargeRequest, time_left: Duration, later: Duration) {
        let payments = self.inner.clone();
        tokio::spawn(async move {
            tokio::time::sleep(later).await;
            let outcome = payments.charge(&request, time_left).await;
            tracing::warn!(order_id = request.order.get(), ?outcome, "a charge was delivered twice");
        });
    }
}

#[async_trait]
impl Payments for FailingPayments {
    async fn charge(&self, request: &ChargeRequest, time_left: Duration) -> ChargeOutcome {
        let again = match self.points.pass(CHARGE.before).await {
            None => None,
            Some(Fault::Refused) => return ChargeOutcome::NeverRan,
            Some(Fault::Unanswered) => return ChargeOutcome::Unknown,
            Some(Fault::Twice(later)) => Some(later),
        };
        let outcome = self.inner.charge(request, time_left).await;
        // A call that never ran has nothing that could be on its way.
        if let Some(later) = again.filter(|_| outcome != ChargeOutcome::NeverRan) {
            self.deliver_again(*request, time_left, later);
        }
        self.points.pass(CHARGE.after).await.map_or(outcome, |_| ChargeOutcome::Unknown)
    }

    async fn void(&self, order: OrderId, time_left: Duration) -> VoidOutcome {
        self.points.around(VOID, self.inner.void(order, time_left), |_| VoidOutcome::Unknown).await
    }
}
