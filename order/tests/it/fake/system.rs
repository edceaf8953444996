//! Time that a test passes, and ids that it knows beforehand.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use order::{
    domain::{Backlog, IdempotencyKey, OrderId, Status},
    ports::{Clock, Mint, Monitor, Recovered, Told},
};
use tokio::time::Instant;

use crate::samples::{NOW_MS, id, key};

/// tokio's time, which stands still until everything waits. It is [`NOW_MS`] when the test begins.
#[derive(Debug)]
pub(crate) struct FakeClock(Instant);

impl Default for FakeClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now_ms(&self) -> i64 {
        NOW_MS + i64::try_from(self.0.elapsed().as_millis()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Remembers what it was told.
#[derive(Debug, Default)]
pub(crate) struct FakeMonitor {
    told: Mutex<Vec<Alarm>>,
    backlogs: Mutex<Vec<Backlog>>,
}

/// What must never happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    Mismatch(OrderId),
    Conflict(OrderId, Status, Status),
}

impl FakeMonitor {
    pub(crate) fn alarms(&self) -> Vec<Alarm> {
        self.told.lock().unwrap().clone()
    }

    /// What was told last of what is PENDING.
    pub(crate) fn last_backlog(&self) -> Backlog {
        self.backlogs.lock().unwrap().last().copied().unwrap()
    }
}

impl Monitor for FakeMonitor {
    fn told(&self, _: Told) {}

    fn recovered(&self, _: Recovered) {}

    fn mismatch(&self, order: OrderId) {
        self.told.lock().unwrap().push(Alarm::Mismatch(order));
    }

    fn conflict(&self, order: OrderId, recorded: Status, answered: Status) {
        self.told.lock().unwrap().push(Alarm::Conflict(order, recorded, answered));
    }

    fn backlog(&self, backlog: &Backlog) {
        self.backlogs.lock().unwrap().push(*backlog);
    }
}

/// Ids 1, 2, 3… and keys `minted-1`, `minted-2`…, but first those that a test foresaw.
#[derive(Debug, Default)]
pub(crate) struct FakeMint {
    foreseen: Mutex<VecDeque<OrderId>>,
    ids: AtomicI64,
    keys: AtomicI64,
}

impl FakeMint {
    /// The next ids that are drawn.
    pub(crate) fn next(&self, ids: impl IntoIterator<Item = OrderId>) {
        self.foreseen.lock().unwrap().extend(ids);
    }
}

impl Mint for FakeMint {
    fn order_id(&self) -> OrderId {
        let foreseen = self.foreseen.lock().unwrap().pop_front();
        foreseen.unwrap_or_else(|| id(self.ids.fetch_add(1, Ordering::Relaxed) + 1))
    }

    fn key(&self) -> IdempotencyKey {
        key(&format!("minted-{}", self.keys.fetch_add(1, Ordering::Relaxed) + 1))
    }

    fn jittered(&self, max: Duration) -> Duration {
        max
    }
}
