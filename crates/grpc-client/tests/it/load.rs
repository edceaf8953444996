//! Clients that keep calling in the background.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use grpc_client::{Channel, Failure};
use tokio::task::JoinHandle;
use tonic::Status;

use crate::client::{call_by, eventually};

#[derive(Debug, Clone)]
pub(crate) struct FailedCall {
    pub(crate) id: i64,
    pub(crate) started: Instant,
    pub(crate) failure: Failure,
    pub(crate) status: Status,
}

#[derive(Clone, Default)]
struct Shared {
    next_id: Arc<AtomicI64>,
    responses: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<FailedCall>>>,
    done: Arc<AtomicBool>,
}

pub(crate) struct Clients {
    shared: Shared,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    /// Starts `count` clients. Each gets orders with increasing ids, and pauses for `pause` after each call.
    pub(crate) fn start(channel: &Channel, count: usize, pause: Duration, timeout: Duration) -> Self {
        let shared = Shared::default();
        let tasks = (0..count)
            .map(|_| tokio::spawn(shared.clone().keep_calling(channel.clone(), pause, timeout)))
            .collect();
        Self { shared, tasks }
    }

    pub(crate) fn responses(&self) -> usize {
        self.shared.responses.load(Ordering::Relaxed)
    }

    /// Waits for `count` more responses.
    pub(crate) async fn more_responses(&self, count: usize) {
        let goal = self.responses() + count;
        eventually("responses", || self.responses() >= goal).await;
    }

    pub(crate) fn failed(&self) -> Vec<FailedCall> {
        self.shared.failed.lock().unwrap().clone()
    }

    /// Finishes the calls in flight, and returns those that failed.
    pub(crate) async fn stop(self) -> Vec<FailedCall> {
        self.shared.done.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut self.shared.failed.lock().unwrap())
    }
}

impl Shared {
    async fn keep_calling(self, channel: Channel, pause: Duration, timeout: Duration) {
        while !self.done.load(Ordering::Relaxed) {
            let (id, started) = (self.next_id.fetch_add(1, Ordering::Relaxed), Instant::now());
            match call_by(&channel, id, tokio::time::Instant::now() + timeout).await {
                Ok(_) => drop(self.responses.fetch_add(1, Ordering::Relaxed)),
                Err(status) => {
                    let failure = Failure::of(&status);
                    self.failed.lock().unwrap().push(FailedCall { id, started, failure, status });
                    // Calls to a stopped server fail at once: leave processor time for its restart.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }
}
