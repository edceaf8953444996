//! A process that can be killed: each of its tasks is aborted at its current await.

use std::{
    future::{Future, pending},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::{AbortHandle, JoinHandle},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a graceful stop waits for running tasks.
const DRAIN_MAX: Duration = Duration::from_secs(35);

/// One run of an instance.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    tasks: TaskTracker,
    handles: Mutex<Vec<AbortHandle>>,
    /// Tasks that a graceful stop aborts at once.
    background: Mutex<Vec<AbortHandle>>,
    accepts_requests: AtomicBool,
    ended: CancellationToken,
}

impl Process {
    pub(crate) fn start(name: String) -> Arc<Self> {
        Arc::new(Self {
            name,
            tasks: TaskTracker::new(),
            handles: Mutex::default(),
            background: Mutex::default(),
            accepts_requests: AtomicBool::new(true),
            ended: CancellationToken::new(),
        })
    }

    /// Runs `task` until the process ends.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let running = self.tasks.spawn(task);
        let mut handles = self.handles.lock().unwrap();
        handles.retain(|handle| !handle.is_finished());
        handles.push(running.abort_handle());
        if self.ended.is_cancelled() {
            running.abort();
        }
        running
    }

    /// Runs `task` until the process is stopped.
    pub(crate) fn spawn_background(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.background.lock().unwrap().push(tokio::spawn(task).abort_handle());
    }

    pub(crate) fn accepts_requests(&self) -> bool {
        self.accepts_requests.load(Ordering::Relaxed)
    }

    /// Aborts every task.
    pub(crate) fn kill(&self) {
        self.accepts_requests.store(false, Ordering::Relaxed);
        self.ended.cancel();
        for handle in self.background.lock().unwrap().iter().chain(self.handles.lock().unwrap().iter()) {
            handle.abort();
        }
    }

    /// Kills the process from within one of its tasks. The task does not continue.
    pub(crate) async fn kill_from_task(&self) -> ! {
        self.kill();
        pending().await
    }

    /// Stops gracefully: rejects new requests, waits for running tasks, then kills the rest.
    pub(crate) async fn stop(&self) {
        self.accepts_requests.store(false, Ordering::Relaxed);
        for handle in self.background.lock().unwrap().iter() {
            handle.abort();
        }
        self.tasks.close();
        let _ = timeout(DRAIN_MAX, self.tasks.wait()).await;
        self.kill();
    }

    /// AfterRecovery once it has ended.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}
