//! The store in memory behind a line that fails when a test says so.

use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    sync::Mutex,
    time::Duration,
};

use async_trait::async_trait;
use order::{
    domain::{Backlog, Due, Hold, IdempotencyKey, Order, OrderId, Settlement, UserId},
    ports::{Insert, Orders, Page, Permit, StoreError},
};
use tokio::time::sleep;

use super::FakeOrders;
use crate::samples::always;

/// What a store is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Op {
    Insert,
    FindByKey,
    Find,
    List,
    Settle,
    Reopen,
    Due,
    Claim,
    Backlog,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Nothing is the matter.
    None,
    /// It is not done, which is known.
    NotStarted,
    /// It is not done, which is not known.
    Lost,
    /// It is done, but the answer is lost.
    AnswerLost,
    /// It is done after this time.
    Late(Duration),
    /// It is begun after this time, for want of a connection.
    Queued(Duration),
}

/// A store that does as it is told, and then fails as it is told.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) kept: FakeOrders,
    faults: Mutex<BTreeMap<Op, VecDeque<Fault>>>,
}

impl Store {
    /// The next calls of `op` end like this, one after the other; those after them are done.
    pub(crate) fn next(&self, op: Op, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().unwrap().entry(op).or_default().extend(faults);
    }

    /// How many of the faults that [`next`](Self::next) was given are still to come.
    pub(crate) fn faults_left(&self, op: Op) -> usize {
        self.faults.lock().unwrap().get(&op).map_or(0, VecDeque::len)
    }

    async fn pass<T>(
        &self,
        op: Op,
        done: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.end(self.fault(op), done).await
    }

    fn fault(&self, op: Op) -> Fault {
        let fault = self.faults.lock().unwrap().get_mut(&op).and_then(VecDeque::pop_front);
        fault.unwrap_or(Fault::None)
    }

    async fn end<T>(
        &self,
        fault: Fault,
        done: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        match fault {
            Fault::None => done.await,
            Fault::NotStarted => Err(StoreError::NotStarted),
            Fault::Lost => Err(StoreError::Unknown),
            Fault::AnswerLost => done.await.and(Err(StoreError::Unknown)),
            Fault::Late(time) | Fault::Queued(time) => {
                sleep(time).await;
                done.await
            }
        }
    }
}

#[async_trait]
impl Orders for Store {
    async fn insert(&self, order: &Order, permit: Permit) -> Result<Insert, StoreError> {
        let fault = self.fault(Op::Insert);
        let permit = match fault {
            // Asked when its turn comes, if it does.
            Fault::NotStarted | Fault::Queued(_) => permit,
            _ if permit() => always(),
            _ => return Err(StoreError::NotStarted),
        };
        self.end(fault, self.kept.insert(order, permit)).await
    }

    async fn find_by_key(&self, user: UserId, key: &IdempotencyKey) -> Result<Option<Order>, StoreError> {
        self.pass(Op::FindByKey, self.kept.find_by_key(user, key)).await
    }

    async fn find(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.pass(Op::Find, self.kept.find(id)).await
    }

    async fn list(
        &self,
        user: UserId,
        before: Option<OrderId>,
        limit: u32,
        items_max: u32,
    ) -> Result<Page, StoreError> {
        self.pass(Op::List, self.kept.list(user, before, limit, items_max)).await
    }

    async fn settle(&self, hold: Hold, settlement: &Settlement) -> Result<bool, StoreError> {
        self.pass(Op::Settle, self.kept.settle(hold, settlement)).await
    }

    async fn reopen(&self, hold: Hold) -> Result<bool, StoreError> {
        self.pass(Op::Reopen, self.kept.reopen(hold)).await
    }

    async fn due(&self, limit: u32) -> Result<Vec<Due>, StoreError> {
        self.pass(Op::Due, self.kept.due(limit)).await
    }

    async fn claim(&self, hold: Hold, again_in: Duration) -> Result<bool, StoreError> {
        self.pass(Op::Claim, self.kept.claim(hold, again_in)).await
    }

    async fn backlog(&self, limit: u32) -> Result<Backlog, StoreError> {
        self.pass(Op::Backlog, self.kept.backlog(limit)).await
    }
}
