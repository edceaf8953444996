//! Store and Payment with injected faults, for tests of processes (feature `fault-injection`).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use service_kit::{
    env::Reader,
    fault_injection::{Fault, FaultRules, Step},
};

use crate::{
    domain::{
        Backlog, ChargeOutcome, ChargeRequest, FencingToken, IdempotencyKey, Order, OrderId, PendingOrder,
        Settlement, Status, UserId, VoidOutcome,
    },
    ports::{InsertOutcome, Orders, Page, Payments, StartGuard, StoreError},
};

const INSERT: Step = Step { before: "orders.insert.before", after: "orders.insert.after" };
const FIND_BY_KEY: Step = Step { before: "orders.find_by_key.before", after: "orders.find_by_key.after" };
const SETTLE: Step = Step { before: "orders.settle.before", after: "orders.settle.after" };
const REOPEN: Step = Step { before: "orders.reopen.before", after: "orders.reopen.after" };
const CLAIM: Step = Step { before: "orders.claim.before", after: "orders.claim.after" };
const CHARGE: Step = Step { before: "payments.charge.before", after: "payments.charge.after" };
const VOID: Step = Step { before: "payments.void.before", after: "payments.void.after" };

const STEPS: [Step; 7] = [INSERT, FIND_BY_KEY, SETTLE, REOPEN, CLAIM, CHARGE, VOID];

/// Adds the fault rules of `FAULT_INJECTION` to `database`.
pub(crate) fn read(reader: &mut Reader<'_>, database: Option<database::Config>) -> Option<database::Config> {
    let steps = STEPS.iter().flat_map(|step| [step.before, step.after]);
    let points: Vec<&str> = steps.chain(database::POINTS).collect();
    let faults = FaultRules::read(reader, &points);
    database.map(|database| database::Config { faults, ..database })
}

/// Wraps the ports in those that inject the faults of `rules`; returns them unchanged if there is none.
pub(crate) fn around(
    orders: Arc<dyn Orders>,
    payments: Arc<dyn Payments>,
    rules: &FaultRules,
) -> (Arc<dyn Orders>, Arc<dyn Payments>) {
    if rules.is_empty() {
        return (orders, payments);
    }
    let orders = FaultyOrders { inner: orders, rules: rules.clone() };
    (Arc::new(orders), Arc::new(FaultyPayments { inner: payments, rules: rules.clone() }))
}

/// The result of a store with this fault.
fn store_error<T>(fault: Fault) -> Result<T, StoreError> {
    Err(match fault {
        Fault::Refused => StoreError::NotStarted,
        Fault::NoResponse | Fault::Twice(_) => StoreError::Unknown,
    })
}

struct FaultyOrders {
    inner: Arc<dyn Orders>,
    rules: FaultRules,
}

#[async_trait]
impl Orders for FaultyOrders {
    async fn insert(&self, order: &Order, start_guard: StartGuard) -> Result<InsertOutcome, StoreError> {
        let may_start = start_guard.clone();
        let failed = |fault| {
            // An insert that must not start is never in doubt; one that is in doubt has started.
            if fault != Fault::Refused && !may_start() {
                Err(StoreError::NotStarted)
            } else {
                store_error(fault)
            }
        };
        self.rules.around(INSERT, self.inner.insert(order, start_guard), failed).await
    }

    async fn find_by_key(&self, user: UserId, key: &IdempotencyKey) -> Result<Option<Order>, StoreError> {
        self.rules.around(FIND_BY_KEY, self.inner.find_by_key(user, key), store_error).await
    }

    async fn find(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.inner.find(id).await
    }

    async fn status(&self, id: OrderId) -> Result<Option<Status>, StoreError> {
        self.inner.status(id).await
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

    async fn settle(&self, token: FencingToken, settlement: &Settlement) -> Result<bool, StoreError> {
        self.rules.around(SETTLE, self.inner.settle(token, settlement), store_error).await
    }

    async fn reopen(&self, token: FencingToken) -> Result<bool, StoreError> {
        self.rules.around(REOPEN, self.inner.reopen(token), store_error).await
    }

    async fn due(&self, limit: u32) -> Result<Vec<PendingOrder>, StoreError> {
        self.inner.due(limit).await
    }

    async fn claim(&self, token: FencingToken, lease: Duration) -> Result<bool, StoreError> {
        self.rules.around(CLAIM, self.inner.claim(token, lease), store_error).await
    }

    async fn renew(&self, orders: &[OrderId], lease: Duration) -> Result<(), StoreError> {
        self.inner.renew(orders, lease).await
    }

    async fn record_mismatch(&self, order: OrderId) -> Result<bool, StoreError> {
        self.inner.record_mismatch(order).await
    }

    async fn backlog(&self, limit: u32) -> Result<Backlog, StoreError> {
        self.inner.backlog(limit).await
    }
}

struct FaultyPayments {
    inner: Arc<dyn Payments>,
    rules: FaultRules,
}

impl FaultyPayments {
    /// Delivers a copy of the call later, as a network may. Its response is discarded.
    fn deliver_again(&self, request: ChargeRequest, time_left: Duration, later: Duration) {
        let payments = self.inner.clone();
        tokio::spawn(async move {
            tokio::time::sleep(later).await;
            let outcome = payments.charge(&request, time_left).await;
            tracing::warn!(order_id = request.order.get(), ?outcome, "charge delivered twice");
        });
    }
}

#[async_trait]
impl Payments for FaultyPayments {
    async fn charge(&self, request: &ChargeRequest, time_left: Duration) -> ChargeOutcome {
        let again = match self.rules.hit(CHARGE.before).await {
            None => None,
            Some(Fault::Refused) => return ChargeOutcome::NeverRan,
            Some(Fault::NoResponse) => return ChargeOutcome::Unknown,
            Some(Fault::Twice(later)) => Some(later),
        };
        let outcome = self.inner.charge(request, time_left).await;
        // A call that never ran has no copy on its way.
        if let Some(later) = again.filter(|_| outcome != ChargeOutcome::NeverRan) {
            self.deliver_again(*request, time_left, later);
        }
        self.rules.hit(CHARGE.after).await.map_or(outcome, |_| ChargeOutcome::Unknown)
    }

    async fn void(&self, order: OrderId, time_left: Duration) -> VoidOutcome {
        self.rules.around(VOID, self.inner.void(order, time_left), |_| VoidOutcome::Unknown).await
    }
}
