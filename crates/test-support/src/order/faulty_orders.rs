//! The store in memory with scripted faults.

use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    sync::Mutex,
    time::Duration,
};

use async_trait::async_trait;
use order::{
    domain::{
        Backlog, FencingToken, IdempotencyKey, Order, OrderId, PendingOrder, Settlement, Status, UserId,
    },
    ports::{InsertOutcome, Orders, Page, StartGuard, StoreError},
};
use tokio::time::sleep;

use super::{orders::FakeOrders, samples::always};

/// A method of [`Orders`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoreCall {
    /// [`Orders::insert`]
    Insert,
    /// [`Orders::find_by_key`]
    FindByKey,
    /// [`Orders::find`]
    Find,
    /// [`Orders::status`]
    Status,
    /// [`Orders::list`]
    List,
    /// [`Orders::settle`]
    Settle,
    /// [`Orders::reopen`]
    Reopen,
    /// [`Orders::due`]
    Due,
    /// [`Orders::claim`]
    Claim,
    /// [`Orders::renew`]
    Renew,
    /// [`Orders::record_mismatch`]
    RecordMismatch,
    /// [`Orders::backlog`]
    Backlog,
}

/// What happens to a call.
#[derive(Debug, Clone, Copy)]
pub enum StoreFault {
    /// It succeeds.
    None,
    /// It fails with [`StoreError::NotStarted`].
    NotStarted,
    /// It has no effect, and fails with [`StoreError::Unknown`].
    RequestLost,
    /// It takes effect, and fails with [`StoreError::Unknown`].
    ResponseLost,
    /// It takes effect after this time.
    Slow(Duration),
    /// It starts after this time, as if it had waited for a connection.
    Queued(Duration),
}

/// A store with scripted faults.
#[derive(Debug, Default)]
pub struct FaultyOrders {
    /// The store without faults.
    pub inner: FakeOrders,
    faults: Mutex<BTreeMap<StoreCall, VecDeque<StoreFault>>>,
    calls: Mutex<BTreeMap<StoreCall, usize>>,
}

impl FaultyOrders {
    /// Scripts the next calls of a method. Later calls succeed.
    pub fn next(&self, call: StoreCall, faults: impl IntoIterator<Item = StoreFault>) {
        self.faults.lock().unwrap().entry(call).or_default().extend(faults);
    }

    /// How many scripted calls of the method have not happened yet.
    pub fn faults_left(&self, call: StoreCall) -> usize {
        self.faults.lock().unwrap().get(&call).map_or(0, VecDeque::len)
    }

    /// How often the method was called.
    pub fn calls(&self, call: StoreCall) -> usize {
        self.calls.lock().unwrap().get(&call).copied().unwrap_or_default()
    }

    async fn call<T>(
        &self,
        call: StoreCall,
        effect: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        with_fault(self.fault(call), effect).await
    }

    fn fault(&self, call: StoreCall) -> StoreFault {
        *self.calls.lock().unwrap().entry(call).or_default() += 1;
        let fault = self.faults.lock().unwrap().get_mut(&call).and_then(VecDeque::pop_front);
        fault.unwrap_or(StoreFault::None)
    }
}

async fn with_fault<T>(
    fault: StoreFault,
    effect: impl Future<Output = Result<T, StoreError>> + Send,
) -> Result<T, StoreError> {
    match fault {
        StoreFault::None => effect.await,
        StoreFault::NotStarted => Err(StoreError::NotStarted),
        StoreFault::RequestLost => Err(StoreError::Unknown),
        StoreFault::ResponseLost => effect.await.and(Err(StoreError::Unknown)),
        StoreFault::Slow(time) | StoreFault::Queued(time) => {
            sleep(time).await;
            effect.await
        }
    }
}

#[async_trait]
impl Orders for FaultyOrders {
    async fn insert(&self, order: &Order, start_guard: StartGuard) -> Result<InsertOutcome, StoreError> {
        let fault = self.fault(StoreCall::Insert);
        let start_guard = match fault {
            // The guard is called when the call starts, if it does.
            StoreFault::NotStarted | StoreFault::Queued(_) => start_guard,
            _ if start_guard() => always(),
            _ => return Err(StoreError::NotStarted),
        };
        with_fault(fault, self.inner.insert(order, start_guard)).await
    }

    async fn find_by_key(&self, user: UserId, key: &IdempotencyKey) -> Result<Option<Order>, StoreError> {
        self.call(StoreCall::FindByKey, self.inner.find_by_key(user, key)).await
    }

    async fn find(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.call(StoreCall::Find, self.inner.find(id)).await
    }

    async fn status(&self, id: OrderId) -> Result<Option<Status>, StoreError> {
        self.call(StoreCall::Status, self.inner.status(id)).await
    }

    async fn list(
        &self,
        user: UserId,
        before: Option<OrderId>,
        limit: u32,
        items_max: u32,
    ) -> Result<Page, StoreError> {
        self.call(StoreCall::List, self.inner.list(user, before, limit, items_max)).await
    }

    async fn settle(&self, token: FencingToken, settlement: &Settlement) -> Result<bool, StoreError> {
        self.call(StoreCall::Settle, self.inner.settle(token, settlement)).await
    }

    async fn reopen(&self, token: FencingToken) -> Result<bool, StoreError> {
        self.call(StoreCall::Reopen, self.inner.reopen(token)).await
    }

    async fn due(&self, limit: u32) -> Result<Vec<PendingOrder>, StoreError> {
        self.call(StoreCall::Due, self.inner.due(limit)).await
    }

    async fn claim(&self, token: FencingToken, lease: Duration) -> Result<bool, StoreError> {
        self.call(StoreCall::Claim, self.inner.claim(token, lease)).await
    }

    async fn renew(&self, orders: &[OrderId], lease: Duration) -> Result<(), StoreError> {
        self.call(StoreCall::Renew, self.inner.renew(orders, lease)).await
    }

    async fn record_mismatch(&self, order: OrderId) -> Result<bool, StoreError> {
        self.call(StoreCall::RecordMismatch, self.inner.record_mismatch(order)).await
    }

    async fn backlog(&self, limit: u32) -> Result<Backlog, StoreError> {
        self.call(StoreCall::Backlog, self.inner.backlog(limit)).await
    }
}
