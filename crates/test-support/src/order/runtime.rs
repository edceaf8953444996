//! Fakes of the clock, of the monitor and of the id generator.

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
    ports::{Clock, IdGenerator, Monitor, PlacementOutcome, RecoveryOutcome},
};
use tokio::time::Instant;

use super::samples::{NOW_MS, id, key};

/// The clock of tokio, which a test may pause. It starts at [`NOW_MS`].
#[derive(Debug)]
pub struct FakeClock(Instant);

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

/// Records alarms and backlogs.
#[derive(Debug, Default)]
pub struct FakeMonitor {
    alarms: Mutex<Vec<Alarm>>,
    backlogs: Mutex<Vec<Backlog>>,
}

/// An event that must never happen in production.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// [`Monitor::record_mismatch`]
    Mismatch(OrderId),
    /// [`Monitor::record_conflict`]
    Conflict(OrderId, Status, Status),
}

impl FakeMonitor {
    /// Every alarm, in order.
    pub fn alarms(&self) -> Vec<Alarm> {
        self.alarms.lock().unwrap().clone()
    }

    /// The backlog that was recorded last.
    pub fn last_backlog(&self) -> Backlog {
        self.backlogs.lock().unwrap().last().copied().unwrap()
    }
}

impl Monitor for FakeMonitor {
    fn record_placement(&self, _: PlacementOutcome) {}

    fn record_recovery(&self, _: RecoveryOutcome) {}

    fn record_mismatch(&self, order: OrderId) {
        self.alarms.lock().unwrap().push(Alarm::Mismatch(order));
    }

    fn record_conflict(&self, order: OrderId, recorded: Status, answered: Status) {
        self.alarms.lock().unwrap().push(Alarm::Conflict(order, recorded, answered));
    }

    fn record_backlog(&self, backlog: &Backlog) {
        self.backlogs.lock().unwrap().push(*backlog);
    }
}

/// Generates the ids 1, 2, 3… and keys `key-1`, `key-2`…, after the scripted ids.
#[derive(Debug, Default)]
pub struct FakeIdGenerator {
    script: Mutex<VecDeque<OrderId>>,
    ids: AtomicI64,
    keys: AtomicI64,
}

impl FakeIdGenerator {
    /// Scripts the next ids.
    pub fn next(&self, ids: impl IntoIterator<Item = OrderId>) {
        self.script.lock().unwrap().extend(ids);
    }
}

impl IdGenerator for FakeIdGenerator {
    fn order_id(&self) -> OrderId {
        let scripted = self.script.lock().unwrap().pop_front();
        scripted.unwrap_or_else(|| id(self.ids.fetch_add(1, Ordering::Relaxed) + 1))
    }

    fn key(&self) -> IdempotencyKey {
        key(&format!("key-{}", self.keys.fetch_add(1, Ordering::Relaxed) + 1))
    }

    fn jittered(&self, max: Duration) -> Duration {
        max
    }
}
