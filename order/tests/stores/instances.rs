//! Several instances over one database, asked in turn: what one was told, the next must know.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use order::{
    adapters::db::DbOrders,
    domain::{Backlog, Due, Hold, IdempotencyKey, Order, OrderId, Settlement, UserId},
    ports::{Insert, Orders, Page, Permit, StoreError},
};

pub(crate) struct Instances {
    instances: Vec<DbOrders>,
    calls: AtomicUsize,
}

impl Instances {
    pub(crate) fn new(instances: Vec<DbOrders>) -> Self {
        Self { instances, calls: AtomicUsize::new(0) }
    }

    fn next(&self) -> &DbOrders {
        &self.instances[self.calls.fetch_add(1, Ordering::Relaxed) % self.instances.len()]
    }
}

#[async_trait]
impl Orders for Instances {
    async fn insert(&self, order: &Order, permit: Permit) -> Result<Insert, StoreError> {
        self.next().insert(order, permit).await
    }

    async fn find_by_key(&self, user: UserId, key: &IdempotencyKey) -> Result<Option<Order>, StoreError> {
        self.next().find_by_key(user, key).await
    }

    async fn find(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.next().find(id).await
    }

    async fn list(
        &self,
        user: UserId,
        before: Option<OrderId>,
        limit: u32,
        items_max: u32,
    ) -> Result<Page, StoreError> {
        self.next().list(user, before, limit, items_max).await
    }

    async fn settle(&self, hold: Hold, settlement: &Settlement) -> Result<bool, StoreError> {
        self.next().settle(hold, settlement).await
    }

    async fn reopen(&self, hold: Hold) -> Result<bool, StoreError> {
        self.next().reopen(hold).await
    }

    async fn due(&self, limit: u32) -> Result<Vec<Due>, StoreError> {
        self.next().due(limit).await
    }

    async fn claim(&self, hold: Hold, again_in: Duration) -> Result<bool, StoreError> {
        self.next().claim(hold, again_in).await
    }

    async fn backlog(&self, limit: u32) -> Result<Backlog, StoreError> {
        self.next().backlog(limit).await
    }
}
