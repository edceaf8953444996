//! A store in memory. It keeps the same contract as those that keep orders on disk.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use order::{
    domain::{Guard, IdempotencyKey, Order, OrderId, Settlement, Status, UserId},
    ports::{Insert, Orders, Page, Permit, StoreError},
};

/// Orders by id.
#[derive(Debug, Default)]
pub(crate) struct FakeOrders(Mutex<BTreeMap<OrderId, Order>>);

impl FakeOrders {
    fn rows(&self) -> MutexGuard<'_, BTreeMap<OrderId, Order>> {
        self.0.lock().unwrap()
    }

    /// Every order, oldest first.
    pub(crate) fn all(&self) -> Vec<Order> {
        self.rows().values().cloned().collect()
    }

    /// Takes the order in hand, as a reconciler does.
    pub(crate) fn claim(&self, id: OrderId) {
        self.rows().get_mut(&id).unwrap().fence += 1;
    }

    /// Changes the order `id` if it is in this status, and at this fence where one is given.
    fn change(
        &self,
        id: OrderId,
        status: Status,
        fence: Option<i64>,
        change: impl FnOnce(&mut Order),
    ) -> bool {
        let mut rows = self.rows();
        let row = rows.get_mut(&id).filter(|row| row.status == status);
        row.filter(|row| fence.is_none_or(|fence| fence == row.fence)).map(change).is_some()
    }
}

#[async_trait]
impl Orders for FakeOrders {
    async fn insert(&self, order: &Order, permit: Permit) -> Result<Insert, StoreError> {
        let mut rows = self.rows();
        if !permit() {
            return Err(StoreError::NotStarted);
        }
        let taken =
            rows.values().any(|row| row.id == order.id || (row.user, &row.key) == (order.user, &order.key));
        if taken {
            return Ok(Insert::Clash);
        }
        rows.insert(order.id, order.clone());
        Ok(Insert::Inserted)
    }

    async fn find_by_key(&self, user: UserId, key: &IdempotencyKey) -> Result<Option<Order>, StoreError> {
        Ok(self.rows().values().find(|row| (row.user, &row.key) == (user, key)).cloned())
    }

    async fn find(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        Ok(self.rows().get(&id).cloned())
    }

    async fn list(
        &self,
        user: UserId,
        before: Option<OrderId>,
        limit: u32,
        items_max: u32,
    ) -> Result<Page, StoreError> {
        let rows = self.rows();
        let older = rows.values().rev().filter(|row| row.user == user);
        let older = older.filter(|row| before.is_none_or(|before| row.id < before));
        let (mut orders, mut items) = (Vec::new(), 0);
        for row in older {
            items += row.items.len();
            let full = orders.len() == limit as usize || items > items_max as usize;
            if full && !orders.is_empty() {
                return Ok(Page { orders, more: true });
            }
            orders.push(row.clone());
        }
        Ok(Page { orders, more: false })
    }

    async fn settle(&self, order: &Order, settlement: &Settlement) -> Result<bool, StoreError> {
        let fence = (settlement.guard == Guard::Fence).then_some(order.fence);
        Ok(self.change(order.id, Status::Pending, fence, |row| {
            row.status = settlement.status;
            row.decline.clone_from(&settlement.decline);
        }))
    }

    async fn reopen(&self, from: &Order, to: &Order) -> Result<bool, StoreError> {
        let open = matches!(from.status, Status::NotCharged | Status::Pending);
        Ok(open && self.change(from.id, from.status, Some(from.fence), |row| row.clone_from(to)))
    }
}
