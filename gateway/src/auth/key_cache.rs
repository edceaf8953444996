//! The issuer's keys, refreshed at an interval, and when a token names a key that is not among them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use service_kit::{admin::Readiness, telemetry};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};

use super::{
    key_set::KeySet,
    source::{KeySource, SourceError},
};
use crate::limits;

/// The readiness condition that keys have been read.
const READY: &str = "auth_keys";

/// The current keys, and the state of their refreshes.
#[derive(Debug)]
pub(super) struct KeyCache {
    source: KeySource,
    snapshot: watch::Sender<KeySnapshot>,
    last_forced_refresh: Mutex<ForcedRefresh>,
    refresh_requested: Notify,
}

/// The keys after a number of refreshes.
#[derive(Debug, Clone, Default)]
pub(super) struct KeySnapshot {
    /// `None` until a refresh has succeeded. A failed refresh keeps them.
    pub(super) keys: Option<Arc<KeySet>>,
    /// Whether the last refresh failed, so that the issuer may have newer keys.
    pub(super) stale: bool,
    refreshes: u64,
}

/// The last refresh that a token forced.
#[derive(Debug, Default)]
struct ForcedRefresh {
    at: Option<Instant>,
    /// Its number.
    number: u64,
}

impl KeyCache {
    /// Keys of `source`; `first` are those read from it at start.
    pub(super) fn new(source: KeySource, first: Option<Arc<KeySet>>) -> Self {
        let snapshot = watch::Sender::new(KeySnapshot { keys: first, ..KeySnapshot::default() });
        Self { source, snapshot, last_forced_refresh: Mutex::default(), refresh_requested: Notify::new() }
    }

    pub(super) fn snapshot(&self) -> KeySnapshot {
        self.snapshot.borrow().clone()
    }

    /// Waits for one more refresh, which concurrent callers share, and returns its keys. Between two forced
    /// refreshes there is a minimum interval, since clients can send tokens with any key id; within it,
    /// returns the current keys.
    pub(super) async fn refresh_once(&self) -> KeySnapshot {
        let mut snapshot = self.snapshot.subscribe();
        let refreshes = snapshot.borrow().refreshes;
        if self.try_claim_refresh(refreshes) {
            self.refresh_requested.notify_one();
        } else if self.last_forced_refresh.lock().unwrap_or_else(PoisonError::into_inner).number <= refreshes
        {
            return self.snapshot();
        }
        // Never closed: `self` holds the sender.
        let after = snapshot
            .wait_for(|snapshot| snapshot.refreshes > refreshes)
            .await
            .map(|snapshot| snapshot.clone());
        after.unwrap_or_else(|_| self.snapshot())
    }

    fn try_claim_refresh(&self, refreshes: u64) -> bool {
        let mut last = self.last_forced_refresh.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.at.is_none_or(|at| at.elapsed() >= self.source.forced_refresh_interval());
        if due {
            *last = ForcedRefresh { at: Some(Instant::now()), number: refreshes + 1 };
        }
        due
    }

    /// Refreshes the keys at once, and then forever at the source's interval or on request. `readiness` shows
    /// whether there are any.
    pub(super) async fn refresh_forever(&self, readiness: &Readiness) {
        let mut document = None;
        let mut retry = *limits::KEY_SET_RETRY.start();
        loop {
            readiness.set(READY, self.snapshot().keys.is_some());
            let pause = match self.refresh(&mut document).await {
                Ok(()) => {
                    retry = *limits::KEY_SET_RETRY.start();
                    self.source.interval()
                }
                Err(error) => {
                    self.log_failure(&error);
                    let pause = retry;
                    retry = Duration::min(retry * 2, *limits::KEY_SET_RETRY.end());
                    pause
                }
            };
            readiness.set(READY, self.snapshot().keys.is_some());
            tokio::select! {
                () = sleep(pause) => {}
                () = self.refresh_requested.notified() => {}
            }
        }
    }

    /// Reads the document, and replaces the keys if it differs from `last`.
    async fn refresh(&self, last: &mut Option<Bytes>) -> Result<(), SourceError> {
        let read = self.source.read().await;
        let keys = match &read {
            Ok(document) if last.as_ref() == Some(document) => Ok(None),
            Ok(document) => KeySet::parse(document).map(Some).map_err(SourceError::from),
            Err(_) => Ok(None),
        };
        // A document without a usable key is a failure as well.
        let outcome = keys.and_then(|keys| read.map(|document| (keys, document)));
        self.snapshot.send_modify(|snapshot| {
            snapshot.refreshes += 1;
            snapshot.stale = outcome.is_err();
            if let Ok((Some(parsed), _)) = &outcome {
                snapshot.keys = Some(Arc::new(parsed.keys.clone()));
            }
        });
        let (keys, document) = outcome?;
        if let Some(parsed) = keys {
            tracing::info!(source = %self.source, keys = parsed.keys.len(), "JWKS refreshed");
            for reason in parsed.ignored {
                tracing::warn!(source = %self.source, "JWKS key ignored: {reason}");
            }
            *last = Some(document);
        }
        Ok(())
    }

    fn log_failure(&self, error: &SourceError) {
        let keys = self.snapshot().keys.map_or(0, |keys| keys.len());
        let why = telemetry::chain(error);
        tracing::warn!(source = %self.source, why, "JWKS refresh failed, keeping {keys} keys");
    }
}
