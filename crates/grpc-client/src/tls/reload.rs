//! A configuration that is rebuilt when its files change.

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use super::{
    Files, TlsError,
    pem_files::PemFiles,
    validity::{Validity, log_invalid},
};

/// The shortest pause between two reads of the files.
pub const RELOAD_INTERVAL: Duration = Duration::from_secs(1);
/// How long a connection waits for the reload that it started. After that it uses the current configuration,
/// so that a hanging disk does not block connections.
pub const RELOAD_WAIT_MAX: Duration = Duration::from_millis(250);

/// A `T` built from files, and rebuilt when they change.
pub(super) struct Reloadable<T>(Arc<Shared<T>>);

struct Shared<T> {
    files: Files,
    build: Box<Build<T>>,
    current: RwLock<Arc<T>>,
    /// Of the current configuration.
    validity: RwLock<Vec<Validity>>,
    last_reload: Mutex<Instant>,
    /// The contents at the last reload, usable or not. Locked during a reload.
    last_contents: Mutex<PemFiles>,
}

type Build<T> = dyn Fn(&PemFiles) -> Result<T, TlsError> + Send + Sync;

impl<T> Clone for Reloadable<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + Sync + 'static> Reloadable<T> {
    pub(super) fn load(
        files: Files,
        build: impl Fn(&PemFiles) -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let contents = PemFiles::read(&files);
        let current = RwLock::new(Arc::new(build(&contents)?));
        let validity = RwLock::new(contents.validity());
        let (last_reload, last_contents) = (Mutex::new(Instant::now()), Mutex::new(contents));
        let build = Box::new(build);
        Ok(Self(Arc::new(Shared { files, build, current, validity, last_reload, last_contents })))
    }

    /// The validity periods of the certificates in use.
    pub(super) fn validity(&self) -> Vec<Validity> {
        self.0.validity.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn files(&self) -> &Files {
        &self.0.files
    }

    /// The configuration of the current files, or of the latest usable ones. Reloads first if a reload is
    /// due.
    pub(super) async fn current(&self) -> Arc<T> {
        if self.0.is_due() {
            let shared = self.0.clone();
            let reload = tokio::task::spawn_blocking(move || shared.reload());
            // A reload that takes longer takes effect for the next connection.
            let _ = tokio::time::timeout(RELOAD_WAIT_MAX, reload).await;
        }
        self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<T> Shared<T> {
    fn is_due(&self) -> bool {
        let mut last_reload = self.last_reload.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last_reload.elapsed() >= RELOAD_INTERVAL;
        if is_due {
            *last_reload = Instant::now();
        }
        is_due
    }

    fn reload(&self) {
        // While the previous reload hangs, one thread is enough to wait for it.
        let Ok(mut last_contents) = self.last_contents.try_lock() else { return };
        let contents = PemFiles::read(&self.files);
        if *last_contents == contents {
            return;
        }
        match (self.build)(&contents) {
            Ok(built) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(built);
                tracing::info!(files = ?self.files, "certificates reloaded for new connections");
                let validity = contents.validity();
                log_invalid(&validity);
                *self.validity.write().unwrap_or_else(PoisonError::into_inner) = validity;
            }
            Err(error) => {
                tracing::warn!(%error, "certificates not reloaded, keeping the previous ones");
            }
        }
        *last_contents = contents;
    }
}
