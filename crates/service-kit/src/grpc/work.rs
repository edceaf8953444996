//! The work of a server, which a shutdown waits for, and the connections, which it does not wait for.

use std::{future::Future, pin::pin, time::Duration};

use tokio::time::{Instant, interval, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{CLOSE_LINGER, connections::Connections, server_layer::ServerLayer};
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
    pub(super) connections: Connections,
}

impl Work {
    /// Runs `server` to its end after `drain`, then waits for the tasks and for `last`.
    pub(super) async fn finish<E>(
        &self,
        service: &str,
        server: impl Future<Output = Result<(), E>>,
        drain: &CancellationToken,
        last: impl Future<Output = ()>,
    ) -> Result<(), E> {
        let mut server = pin!(server);
        let served = tokio::select! {
            biased;
            served = server.as_mut() => served,
            () = self.quiet_after(drain) => {
                let connections = self.connections.open();
                tracing::info!(service, connections, "closing the connections that clients keep open");
                self.connections.close();
                server.await
            }
        };
        self.tasks.close();
        self.tasks.wait().await;
        if timeout(LAST_MAX, last).await.is_err() {
            tracing::warn!(service, "the database did not close within {LAST_MAX:?}");
        }
        served
    }

    /// Completes where no handler and no task has run for [`CLOSE_LINGER`] since `drain`.
    async fn quiet_after(&self, drain: &CancellationToken) {
        drain.cancelled().await;
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
