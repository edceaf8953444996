//! Several instances over one database, called in turn: each must see the writes of the others.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use order::{
    adapters::db::DbOrders,
    domain::{Backlog, FencingToken, IdempotencyKey, Order, OrderId, PendingOrder, Settlement, UserId},
    ports::{InsertOutcome, Orders, Page, StartGuard, StoreError},
};

/// Forwards each call to the next instance.
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
    async fn insert(&self, order: &Order, start_guard: StartGuard) -> Result<InsertOutcome, StoreError> {
        self.next().insert(order, start_guard).await
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

    async fn settle(&self, token: FencingToken, settlement: &Settlement) -> Result<bool, StoreError> {
        self.next().settle(token, settlement).await
    }

    async fn reopen(&self, token: FencingToken) -> Result<bool, StoreError> {
        self.next().reopen(token).await
    }

    async fn due(&self, limit: u32) -> Result<Vec<PendingOrder>, StoreError> {
        self.next().due(limit).await
    }

    async fn claim(&self, token: FencingToken, lease: Duration) -> Result<bool, StoreError> {
        self.next().claim(token, lease).await
    }

    async fn backlog(&self, limit: u32) -> Result<Backlog, StoreError> {
        self.next().backlog(limit).await
    }
}
