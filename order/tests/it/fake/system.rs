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
    domain::{IdempotencyKey, OrderId},
    ports::{Clock, Mint},
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
}
