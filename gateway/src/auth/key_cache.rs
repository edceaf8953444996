//! The keys of the issuer as they are known by now: read again as time goes by, and when a token names one that is
//! not among them.

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

/// The condition that keys are there to check tokens with.
const READY: &str = "auth_keys";

/// The keys, and who looks for newer ones.
#[derive(Debug)]
pub(super) struct KeyCache {
    source: KeySource,
    known: watch::Sender<KeySnapshot>,
    last_forced_refresh: Mutex<ForcedRefresh>,
    ask: Notify,
}

/// What is known after so many looks.
#[derive(Debug, Clone, Default)]
pub(super) struct KeySnapshot {
    /// `None` until a look has found some. A look that fails takes none away.
    pub(super) keys: Option<Arc<KeySet>>,
    /// Whether the last look failed, so that newer keys may be there.
    pub(super) stale: bool,
    looks: u64,
}

/// The last look that tokens asked for.
#[derive(Debug, Default)]
struct ForcedRefresh {
    at: Option<Instant>,
    /// Its number.
    look: u64,
}

impl KeyCache {
    /// Keys that are read from `source`; `first` are those that were read there already.
    pub(super) fn new(source: KeySource, first: Option<Arc<KeySet>>) -> Self {
        let known = KeySnapshot { keys: first, ..KeySnapshot::default() };
        Self {
            source,
            known: watch::Sender::new(known),
            last_forced_refresh: Mutex::default(),
            ask: Notify::new(),
        }
    }

    pub(super) fn known(&self) -> KeySnapshot {
        self.known.borrow().clone()
    }

    /// What is known after one more look, which all who ask meanwhile share. One look is allowed in so much time, for
    /// anyone can make up the name of a key; in between, what is known is all there is to say.
    pub(super) async fn refresh_once(&self) -> KeySnapshot {
        let mut known = self.known.subscribe();
        let looks = known.borrow().looks;
        if self.try_claim_refresh(looks) {
            self.ask.notify_one();
        } else if self.last_forced_refresh.lock().unwrap_or_else(PoisonError::into_inner).look <= looks {
            return self.known();
        }
        // The sender is here: waiting ends by a look alone.
        let after = known.wait_for(|known| known.looks > looks).await.map(|known| known.clone());
        after.unwrap_or_else(|_| self.known())
    }

    fn try_claim_refresh(&self, looks: u64) -> bool {
        let mut asked = self.last_forced_refresh.lock().unwrap_or_else(PoisonError::into_inner);
        let due = asked.at.is_none_or(|at| at.elapsed() >= self.source.forced_refresh_interval());
        if due {
            *asked = ForcedRefresh { at: Some(Instant::now()), look: looks + 1 };
        }
        due
    }

    /// Looks for keys for ever, at once and then as often as the source asks for. `readiness` says whether there are
    /// any.
    pub(super) async fn refresh_forever(&self, readiness: &Readiness) {
        let mut document = None;
        let mut retry = *limits::KEY_SET_RETRY.start();
        loop {
            readiness.set(READY, self.known().keys.is_some());
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
            readiness.set(READY, self.known().keys.is_some());
            tokio::select! {
                () = sleep(pause) => {}
                () = self.ask.notified() => {}
            }
        }
    }

    /// Reads the document, and takes up its keys if it is another than `last`.
    async fn refresh(&self, last: &mut Option<Bytes>) -> Result<(), SourceError> {
        let read = self.source.read().await;
        let keys = match &read {
            Ok(document) if last.as_ref() == Some(document) => Ok(None),
            Ok(document) => KeySet::parse(document).map(Some).map_err(SourceError::from),
            Err(_) => Ok(None),
        };
        // A document that gives no key is the same failure as none.
        let outcome = keys.and_then(|keys| read.map(|document| (keys, document)));
        self.known.send_modify(|known| {
            known.looks += 1;
            known.stale = outcome.is_err();
            if let Ok((Some(read), _)) = &outcome {
                known.keys = Some(Arc::new(read.keys.clone()));
            }
        });
        let (keys, document) = outcome?;
        if let Some(read) = keys {
            tracing::info!(source = %self.source, keys = read.keys.len(), "the keys of the issuer were read");
            for line in read.ignored {
                tracing::warn!(source = %self.source, "{line}; it is not used");
            }
            *last = Some(document);
        }
        Ok(())
    }

    fn log_failure(&self, error: &SourceError) {
        let kept = self.known().keys.map_or(0, |keys| keys.len());
        let why = telemetry::chain(error);
        tracing::warn!(source = %self.source, why, kept, "the keys of the issuer cannot be read");
    }
}
