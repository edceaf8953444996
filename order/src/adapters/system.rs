//! Time, randomness and tasks, from the process itself.

use std::time::Duration;

use async_trait::async_trait;
use service_kit::{
    ids,
    trace::{self, Context, SpanKind, Tracer},
};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

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
pub struct SystemMint(ids::IdSequence);

impl Mint for SystemMint {
    #[allow(clippy::expect_used, reason = "a minted id is above 0 by the minter's contract")]
    fn order_id(&self) -> OrderId {
        OrderId::new(self.0.next_id()).expect("minted ids are above 0")
    }

    #[allow(clippy::expect_used, reason = "hexadecimal digits and hyphens are visible ASCII")]
    fn key(&self) -> IdempotencyKey {
        IdempotencyKey::new(ids::uuid()).expect("a UUID is a key")
    }

    fn jittered(&self, max: Duration) -> Duration {
        ids::jittered(max)
    }
}

/// Tasks that a stopping process waits for. They keep the trace of the request that spawned them; what no request
/// asked for, a recovery, begins a trace of its own.
#[derive(Debug, Clone, Default)]
pub struct TrackedTasks {
    /// What a stopping process waits by.
    pub tracker: TaskTracker,
    tracer: Tracer,
}

impl TrackedTasks {
    /// Tasks whose traces `tracer` is told of.
    pub fn new(tracer: Tracer) -> Self {
        Self { tracker: TaskTracker::new(), tracer }
    }
}

impl Spawn for TrackedTasks {
    fn spawn(&self, task: Task) {
        if trace::current().is_some() {
            self.tracker.spawn(trace::with_current_context(task));
            return;
        }
        let context = Context::root(&self.tracer);
        let (span, lines) =
            (context.record(SpanKind::Internal, "recover order"), context.span("recover order"));
        let recovering = async move {
            task.await;
            span.end();
        };
        self.tracker.spawn(trace::scope(context, recovering).instrument(lines));
    }
}
