//! A store of orders in memory.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use order::{
    domain::{
        Backlog, FencingToken, Guard, IdempotencyKey, Order, OrderId, PendingOrder, Settlement, Status,
        UserId,
    },
    ports::{FIRST_CHECK, InsertOutcome, Orders, Page, StartGuard, StoreError},
};
use tokio::time::Instant;

/// Orders by id. The clock is that of tokio.
#[derive(Debug, Default)]
pub struct FakeOrders(Mutex<BTreeMap<OrderId, Row>>);

#[derive(Debug)]
struct Row {
    order: Order,
    pending_since: Instant,
    next_check: Instant,
    is_mismatch: bool,
}

impl Row {
    fn pending(order: Order) -> Self {
        let now = Instant::now();
        Self { order, pending_since: now, next_check: now + FIRST_CHECK, is_mismatch: false }
    }

    fn is_pending(&self) -> bool {
        self.order.status == Status::Pending
    }
}

impl FakeOrders {
    fn rows(&self) -> MutexGuard<'_, BTreeMap<OrderId, Row>> {
        self.0.lock().unwrap()
    }

    /// Every order, oldest first.
    pub fn all(&self) -> Vec<Order> {
        self.rows().values().map(|row| row.order.clone()).collect()
    }

    /// Changes the order `id` if it has this status, and this fence if one is given.
    fn change(&self, id: OrderId, status: Status, fence: Option<i64>, change: impl FnOnce(&mut Row)) -> bool {
        let mut rows = self.rows();
        let row = rows.get_mut(&id).filter(|row| row.order.status == status);
        row.filter(|row| fence.is_none_or(|fence| fence == row.order.fence)).map(change).is_some()
    }

    /// The PENDING orders, by the time at which they are due.
    fn pending<T>(&self, limit: u32, read: impl Fn(&Row) -> T) -> Vec<T> {
        let rows = self.rows();
        let mut pending: Vec<&Row> = rows.values().filter(|row| row.is_pending()).collect();
        pending.sort_by_key(|row| row.next_check);
        pending.into_iter().take(limit as usize).map(read).collect()
    }
}

#[async_trait]
impl Orders for FakeOrders {
    async fn insert(&self, order: &Order, start_guard: StartGuard) -> Result<InsertOutcome, StoreError> {
        let mut rows = self.rows();
        if !start_guard() {
            return Err(StoreError::NotStarted);
        }
        let exists = rows
            .values()
            .map(|row| &row.order)
            .any(|row| row.id == order.id || (row.user, &row.key) == (order.user, &order.key));
        if exists {
            return Ok(InsertOutcome::Conflict);
        }
        rows.insert(order.id, Row::pending(order.clone()));
        Ok(InsertOutcome::Inserted)
    }

    async fn find_by_key(&self, user: UserId, key: &IdempotencyKey) -> Result<Option<Order>, StoreError> {
        let rows = self.rows();
        let mut orders = rows.values().map(|row| &row.order);
        Ok(orders.find(|order| (order.user, &order.key) == (user, key)).cloned())
    }

    async fn find(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        Ok(self.rows().get(&id).map(|row| row.order.clone()))
    }

    async fn status(&self, id: OrderId) -> Result<Option<Status>, StoreError> {
        Ok(self.rows().get(&id).map(|row| row.order.status))
    }

    async fn list(
        &self,
        user: UserId,
        before: Option<OrderId>,
        limit: u32,
        items_max: u32,
    ) -> Result<Page, StoreError> {
        let rows = self.rows();
        let older = rows.values().map(|row| &row.order).rev().filter(|order| order.user == user);
        let older = older.filter(|order| before.is_none_or(|before| order.id < before));
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

    async fn settle(&self, token: FencingToken, settlement: &Settlement) -> Result<bool, StoreError> {
        let fence = (settlement.guard == Guard::Fence).then_some(token.fence);
        Ok(self.change(token.order, Status::Pending, fence, |row| {
            row.order.status = settlement.status;
            row.order.decline.clone_from(&settlement.decline);
        }))
    }

    async fn reopen(&self, token: FencingToken) -> Result<bool, StoreError> {
        Ok(self.change(token.order, Status::NotCharged, Some(token.fence), |row| {
            *row = Row::pending(row.order.clone().reopened());
        }))
    }

    async fn due(&self, limit: u32) -> Result<Vec<PendingOrder>, StoreError> {
        let now = Instant::now();
        let due = self.pending(u32::MAX, |row| {
            let due = PendingOrder {
                order: row.order.id,
                charge: row.order.charge(),
                fence: row.order.fence,
                pending_for: now - row.pending_since,
            };
            (row.next_check <= now).then_some(due)
        });
        Ok(due.into_iter().flatten().take(limit as usize).collect())
    }

    async fn claim(&self, token: FencingToken, lease: Duration) -> Result<bool, StoreError> {
        Ok(self.change(token.order, Status::Pending, Some(token.fence), |row| {
            row.order.fence = token.next().fence;
            row.order.attempts += 1;
            row.next_check = Instant::now() + lease;
        }))
    }

    async fn renew(&self, orders: &[OrderId], lease: Duration) -> Result<(), StoreError> {
        for order in orders {
            self.change(*order, Status::Pending, None, |row| {
                row.next_check = row.next_check.max(Instant::now() + lease);
            });
        }
        Ok(())
    }

    async fn record_mismatch(&self, order: OrderId) -> Result<bool, StoreError> {
        let mut rows = self.rows();
        Ok(rows.get_mut(&order).is_some_and(|row| !std::mem::replace(&mut row.is_mismatch, true)))
    }

    async fn backlog(&self, limit: u32) -> Result<Backlog, StoreError> {
        let now = Instant::now();
        let pending =
            self.pending(limit, |row| (now - row.pending_since, row.next_check <= now, row.is_mismatch));
        let (mismatches, others): (Vec<_>, Vec<_>) =
            pending.into_iter().partition(|(_, _, is_mismatch)| *is_mismatch);
        Ok(Backlog {
            orphans: others.iter().filter(|(_, is_due, _)| *is_due).count(),
            oldest: others.iter().map(|(age, _, _)| *age).max().unwrap_or_default(),
            mismatches: mismatches.len(),
        })
    }
}
