//! The outcomes of store calls: done, refused, lost, done with a lost reply, or done later.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::{sync::oneshot, time::sleep};

use crate::{faults::Fault, process::Process, simulation::Simulation};

/// How long after the unknown outcome a commit may still happen.
const LATE_MS_MAX: u64 = 12_000;
/// The longest duration of a slow call, one way.
const SLOW_MS_MAX: u64 = 4_000;

/// What the ports of one instance need.
#[derive(Clone)]
pub(crate) struct InstanceContext {
    pub(crate) sim: Arc<Simulation>,
    pub(crate) process: Arc<Process>,
    /// The fault that kills the instance during a call.
    pub(crate) crash: Fault,
}

/// The errors of a port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Errors<E> {
    pub(crate) not_started: E,
    pub(crate) unknown: E,
}

/// The outcome of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteOutcome {
    Done,
    Refused,
    Lost,
    ReplyLost,
    Late,
    CrashBefore,
    CrashAfter,
}

type Work<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl InstanceContext {
    /// Draws the outcome of the next write.
    pub(crate) fn draw_outcome(&self) -> WriteOutcome {
        let crash = self.sim.draw_fault(self.crash);
        match () {
            () if crash && self.sim.chance_per_mille(500) => WriteOutcome::CrashBefore,
            () if crash => WriteOutcome::CrashAfter,
            () if self.sim.draw_fault(Fault::StoreRefuses) => WriteOutcome::Refused,
            () if self.sim.draw_fault(Fault::StoreCallLost) => WriteOutcome::Lost,
            () if self.sim.draw_fault(Fault::StoreReplyLost) => WriteOutcome::ReplyLost,
            () if self.sim.draw_fault(Fault::StoreLate) => WriteOutcome::Late,
            () => WriteOutcome::Done,
        }
    }

    /// Runs `work` with this outcome. A write that has reached the store is often done even where the process
    /// is killed meanwhile.
    pub(crate) async fn write<T, E>(
        &self,
        outcome: WriteOutcome,
        errors: Errors<E>,
        work: Work<T, E>,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        match outcome {
            WriteOutcome::Done if self.sim.chance_per_mille(700) => {
                sleep_for(self.latency()).await;
                let done = work.await;
                sleep_for(self.latency()).await;
                done
            }
            WriteOutcome::Done => {
                let (sender, receiver) = oneshot::channel();
                let latency = self.latency();
                self.sim.commits.spawn(self.sim.reporting_panics(async move {
                    sleep_for(latency).await;
                    drop(sender.send(work.await));
                }));
                let done = receiver.await.unwrap_or(Err(errors.unknown));
                sleep_for(self.latency()).await;
                done
            }
            WriteOutcome::Refused => {
                sleep_for(self.latency()).await;
                Err(errors.not_started)
            }
            WriteOutcome::Lost => {
                sleep_for(self.latency()).await;
                Err(errors.unknown)
            }
            WriteOutcome::ReplyLost => {
                sleep_for(self.latency()).await;
                work.await.and(Err(errors.unknown))
            }
            WriteOutcome::Late => {
                let delay = self.sim.ms(1..=LATE_MS_MAX);
                self.sim.commits.spawn(self.sim.reporting_panics(async move {
                    sleep(delay).await;
                    drop(work.await);
                }));
                sleep_for(self.latency()).await;
                Err(errors.unknown)
            }
            WriteOutcome::CrashBefore => self.process.kill_from_task().await,
            WriteOutcome::CrashAfter => {
                drop(work.await);
                self.process.kill_from_task().await
            }
        }
    }

    /// Runs a read, which may be slow or fail.
    pub(crate) async fn read<T, E>(
        &self,
        errors: Errors<E>,
        work: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        sleep_for(self.latency()).await;
        if self.sim.draw_fault(Fault::StoreRefuses) {
            return Err(errors.not_started);
        }
        if self.sim.draw_fault(Fault::StoreCallLost) {
            return Err(errors.unknown);
        }
        let read = work.await;
        // The row may change before the reply arrives.
        sleep_for(self.latency()).await;
        read
    }

    /// The latency of the store, one way.
    pub(crate) fn latency(&self) -> Duration {
        if self.sim.draw_fault(Fault::StoreSlow) {
            self.sim.ms(10..=SLOW_MS_MAX)
        } else {
            self.sim.ms(0..=4).saturating_sub(Duration::from_millis(2))
        }
    }
}

/// Sleeps; does not yield where the time is zero.
pub(crate) async fn sleep_for(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}
