//! How calls of a store end: done, refused, forgotten, done without an answer, or done later.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::{sync::oneshot, time::sleep};

use crate::{faults::Fault, process::Process, world::World};

/// How long after its caller was given no answer a commit may land.
const LATE_MS_MAX: u64 = 12_000;
/// How long a store that takes its time takes.
const SLOW_MS_MAX: u64 = 4_000;

/// An instance's place in the world.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) world: Arc<World>,
    pub(crate) process: Arc<Process>,
    /// What kills the instance in the middle of a call.
    pub(crate) crash: Fault,
}

/// The two errors of a port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Errors<E> {
    pub(crate) not_started: E,
    pub(crate) unknown: E,
}

/// How a write ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    Refused,
    Forgotten,
    AnswerLost,
    Late,
    CrashBefore,
    CrashAfter,
}

type Work<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl Site {
    /// How the next write ends.
    pub(crate) fn fate(&self) -> Fate {
        let crash = self.world.strikes(self.crash);
        match () {
            () if crash && self.world.chance(500) => Fate::CrashBefore,
            () if crash => Fate::CrashAfter,
            () if self.world.strikes(Fault::StoreRefuses) => Fate::Refused,
            () if self.world.strikes(Fault::StoreForgets) => Fate::Forgotten,
            () if self.world.strikes(Fault::StoreAnswerLost) => Fate::AnswerLost,
            () if self.world.strikes(Fault::StoreLate) => Fate::Late,
            () => Fate::Done,
        }
    }

    /// Makes `work` end by its fate. What is on its way to the store is often done there whatever becomes of this
    /// process meanwhile.
    pub(crate) async fn write<T, E>(&self, fate: Fate, errors: Errors<E>, work: Work<T, E>) -> Result<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        match fate {
            Fate::Done if self.world.chance(700) => {
                pass(self.latency()).await;
                let done = work.await;
                pass(self.latency()).await;
                done
            }
            Fate::Done => {
                let (tell, told) = oneshot::channel();
                let way = self.latency();
                self.world.commits.spawn(self.world.watched(async move {
                    pass(way).await;
                    drop(tell.send(work.await));
                }));
                let done = told.await.unwrap_or(Err(errors.unknown));
                pass(self.latency()).await;
                done
            }
            Fate::Refused => {
                pass(self.latency()).await;
                Err(errors.not_started)
            }
            Fate::Forgotten => {
                pass(self.latency()).await;
                Err(errors.unknown)
            }
            Fate::AnswerLost => {
                pass(self.latency()).await;
                work.await.and(Err(errors.unknown))
            }
            Fate::Late => {
                let later = self.world.ms(1..=LATE_MS_MAX);
                self.world.commits.spawn(self.world.watched(async move {
                    sleep(later).await;
                    drop(work.await);
                }));
                pass(self.latency()).await;
                Err(errors.unknown)
            }
            Fate::CrashBefore => self.process.die().await,
            Fate::CrashAfter => {
                drop(work.await);
                self.process.die().await
            }
        }
    }

    /// Reads, perhaps slowly, perhaps in vain.
    pub(crate) async fn read<T, E>(
        &self,
        errors: Errors<E>,
        work: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        pass(self.latency()).await;
        if self.world.strikes(Fault::StoreRefuses) {
            return Err(errors.not_started);
        }
        if self.world.strikes(Fault::StoreForgets) {
            return Err(errors.unknown);
        }
        let read = work.await;
        // What was read may be old news when it arrives.
        pass(self.latency()).await;
        read
    }

    /// How long one way to the store takes.
    pub(crate) fn latency(&self) -> Duration {
        if self.world.strikes(Fault::StoreSlow) {
            self.world.ms(10..=SLOW_MS_MAX)
        } else {
            self.world.ms(0..=4).saturating_sub(Duration::from_millis(2))
        }
    }
}

/// Lets so much time pass; none at all for none.
pub(crate) async fn pass(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}
