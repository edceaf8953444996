//! Time, ids and tasks of the process.

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
    ports::{Clock, IdGenerator, Spawn, Task},
};

/// The system clock.
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

/// Ids and keys from the random number generator of the system.
#[derive(Debug, Default)]
pub struct SystemIdGenerator(ids::IdSequence);

impl IdGenerator for SystemIdGenerator {
    #[allow(clippy::expect_used, reason = "an IdSequence returns ids above 0")]
    fn order_id(&self) -> OrderId {
        OrderId::new(self.0.next_id()).expect("generated ids are above 0")
    }

    #[allow(clippy::expect_used, reason = "hexadecimal digits and hyphens are visible ASCII")]
    fn key(&self) -> IdempotencyKey {
        IdempotencyKey::new(ids::uuid()).expect("a UUID is a key")
    }

    fn jittered(&self, max: Duration) -> Duration {
        ids::jittered(max)
    }
}

/// Tasks that graceful shutdown waits for. A task spawned within a request continues the trace of the
/// request; any other task, a recovery, starts a trace.
#[derive(Debug, Clone, Default)]
pub struct TrackedTasks {
    /// Tracks the tasks for graceful shutdown.
    pub tracker: TaskTracker,
    tracer: Tracer,
}

impl TrackedTasks {
    /// Tasks whose traces are exported by `tracer`.
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
        let (span, log_span) =
            (context.record(SpanKind::Internal, "recover order"), context.span("recover order"));
        let recovery = async move {
            task.await;
            span.end();
        };
        self.tracker.spawn(trace::scope(context, recovery).instrument(log_span));
    }
}
