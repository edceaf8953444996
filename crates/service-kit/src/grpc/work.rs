//! The end of a server: its work, which a shutdown waits for, and the connections, which it does not wait
//! for.

use std::{future::Future, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, interval, timeout},
};
use tokio_util::task::TaskTracker;

use super::{CLOSE_LINGER, server_layer::ServerLayer};
use crate::process::DRAIN_MAX;

/// How often the server compares its work with [`CLOSE_LINGER`].
const CLOSE_CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// Limit of the last step, closing the database: a checkpoint that does not finish is left to the next
/// process.
const LAST_MAX: Duration = Duration::from_secs(1);

/// What a shutdown waits for.
pub(super) struct Work {
    pub(super) layer: ServerLayer,
    pub(super) tasks: TaskTracker,
}

impl Work {
    /// Waits for the calls on `connections`, which are closing, for the tasks, and for `last`.
    pub(super) async fn finish(
        &self,
        service: &str,
        mut connections: JoinSet<()>,
        last: impl Future<Output = ()>,
    ) {
        tokio::select! {
            biased;
            () = async { while connections.join_next().await.is_some() {} } => {}
            () = self.quiet() => {}
        }
        if !connections.is_empty() {
            tracing::info!(
                service,
                connections = connections.len(),
                "closing the connections that clients keep open"
            );
            connections.shutdown().await;
        }
        self.tasks.close();
        self.tasks.wait().await;
        if timeout(LAST_MAX, last).await.is_err() {
            tracing::warn!(service, "the database did not close within {LAST_MAX:?}");
        }
    }

    /// Completes where no handler and no task has run for [`CLOSE_LINGER`].
    async fn quiet(&self) {
        let mut checks = interval(CLOSE_CHECK_INTERVAL);
        let mut quiet_since = Instant::now();
        while quiet_since.elapsed() < CLOSE_LINGER {
            checks.tick().await;
            if self.layer.calls_running() > 0 || !self.tasks.is_empty() {
                quiet_since = Instant::now();
            }
        }
    }

    /// Logs the work that [`DRAIN_MAX`] cut.
    pub(super) fn log_cut(&self, service: &str) {
        let (calls, tasks) = (self.layer.calls_running(), self.tasks.len());
        tracing::error!(service, calls, tasks, "shutdown cut work in flight after {DRAIN_MAX:?}");
    }
}
