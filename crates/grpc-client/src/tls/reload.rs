//! A configuration that follows its files.

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use super::{Files, TlsError, contents::Contents};

/// How long one look at the files is good for.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a connection waits for the look that it asked for; a disk that hangs holds it up no longer, and it is
/// made with what is known.
pub const LOOK_WAIT_MAX: Duration = Duration::from_millis(250);

/// A `T` made from files, and made again when they change.
pub(super) struct Reloading<T>(Arc<Shared<T>>);

struct Shared<T> {
    files: Files,
    build: Box<Build<T>>,
    current: RwLock<Arc<T>>,
    looked_at: Mutex<Instant>,
    /// What was found by the last look, usable or not. Held for as long as a look takes.
    found: Mutex<Contents>,
}

type Build<T> = dyn Fn(&Contents) -> Result<T, TlsError> + Send + Sync;

impl<T> Clone for Reloading<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + Sync + 'static> Reloading<T> {
    pub(super) fn load(
        files: Files,
        build: impl Fn(&Contents) -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let found = Contents::read(&files);
        let current = RwLock::new(Arc::new(build(&found)?));
        let (looked_at, found) = (Mutex::new(Instant::now()), Mutex::new(found));
        Ok(Self(Arc::new(Shared { files, build: Box::new(build), current, looked_at, found })))
    }

    pub(super) fn files(&self) -> &Files {
        &self.0.files
    }

    /// What the files say, or said when they could be used last.
    pub(super) async fn current(&self) -> Arc<T> {
        if self.0.is_due() {
            let shared = self.0.clone();
            let look = tokio::task::spawn_blocking(move || shared.look());
            // Late or not, the look puts its result where the next connection finds it.
            let _ = tokio::time::timeout(LOOK_WAIT_MAX, look).await;
        }
        self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<T> Shared<T> {
    fn is_due(&self) -> bool {
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let due = looked_at.elapsed() >= LOOK_INTERVAL;
        if due {
            *looked_at = Instant::now();
        }
        due
    }

    fn look(&self) {
        // Where the look before this one still hangs, one thread is enough to wait for it.
        let Ok(mut found) = self.found.try_lock() else { return };
        let contents = Contents::read(&self.files);
        if *found == contents {
            return;
        }
        match (self.build)(&contents) {
            Ok(built) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(built);
                tracing::info!(files = ?self.files, "changed certificates are in use for new connections");
            }
            Err(error) => {
                tracing::warn!(%error, "changed certificates cannot be used, those before them stay in use");
            }
        }
        *found = contents;
    }
}
