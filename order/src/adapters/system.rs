//! Time, randomness and tasks, from the process itself.

use std::time::Duration;

use async_trait::async_trait;
use chassis::ids;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::{
    domain::{IdempotencyKey, OrderId},
    ports::{Clock, Mint, Spawn, Task},
};

/// The system's clock.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        ids::now_ms()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Ids and keys from the system's randomness.
#[derive(Debug, Default)]
pub struct SystemMint(ids::Minter);

impl Mint for SystemMint {
    #[allow(clippy::expect_used, reason = "a minted id is above 0 by the minter's contract")]
    fn order_id(&self) -> OrderId {
        OrderId::new(self.0.mint()).expect("minted ids are above 0")
    }

    #[allow(clippy::expect_used, reason = "hexadecimal digits and hyphens are visible ASCII")]
    fn key(&self) -> IdempotencyKey {
        IdempotencyKey::new(ids::uuid()).expect("a UUID is a key")
    }

    fn jittered(&self, max: Duration) -> Duration {
        ids::jittered(max)
    }
}

/// Tasks that a stopping process waits for. They keep the trace of the request that spawned them.
#[derive(Debug, Clone, Default)]
pub struct TrackedTasks(pub TaskTracker);

impl Spawn for TrackedTasks {
    fn spawn(&self, task: Task) {
        self.0.spawn(chassis::trace::carried(task));
    }
}
