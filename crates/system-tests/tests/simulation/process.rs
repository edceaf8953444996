//! A process that can be killed: every task of it ends at whatever await it is at.

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

/// How long a process that is stopped waits for what it began.
const DRAIN_MAX: Duration = Duration::from_secs(35);

/// An instance from its start to its end.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    tasks: TaskTracker,
    handles: Mutex<Vec<AbortHandle>>,
    /// What a stop does not wait for.
    background: Mutex<Vec<AbortHandle>>,
    accepts: AtomicBool,
    ended: CancellationToken,
}

impl Process {
    pub(crate) fn start(name: String) -> Arc<Self> {
        Arc::new(Self {
            name,
            tasks: TaskTracker::new(),
            handles: Mutex::default(),
            background: Mutex::default(),
            accepts: AtomicBool::new(true),
            ended: CancellationToken::new(),
        })
    }

    /// Runs `task` until it ends or the process does.
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

    /// Whether it takes requests.
    pub(crate) fn accepts(&self) -> bool {
        self.accepts.load(Ordering::Relaxed)
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        self.accepts.store(false, Ordering::Relaxed);
        self.ended.cancel();
        for handle in self.background.lock().unwrap().iter().chain(self.handles.lock().unwrap().iter()) {
            handle.abort();
        }
    }

    /// Ends it from within one of its tasks, which goes no further.
    pub(crate) async fn die(&self) -> ! {
        self.kill();
        pending().await
    }

    /// Takes no more requests, and ends it when what it began has ended.
    pub(crate) async fn stop(&self) {
        self.accepts.store(false, Ordering::Relaxed);
        for handle in self.background.lock().unwrap().iter() {
            handle.abort();
        }
        self.tasks.close();
        // What takes longer is cut off.
        let _ = timeout(DRAIN_MAX, self.tasks.wait()).await;
        self.kill();
    }

    /// Returns once it has ended.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}
