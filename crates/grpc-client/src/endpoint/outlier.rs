//! Outlier detection: whether an endpoint is ejected, and when it is checked again.
//!
//! A simple form of gRFC A50: consecutive failures eject, and a health check or a response unejects. A
//! failure is UNAVAILABLE, a lost connection, a refused stream, or a response without a valid status.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::service_config::Backoff;

/// Consecutive failures, without a response between them, that eject an endpoint.
const FAILURES_MAX: u32 = 5;
/// Time from an ejection, or a failed check, to the next check.
const EJECTION: Backoff =
    Backoff { initial: Duration::from_millis(500), max: Duration::from_secs(10), multiplier: 1.6 };

#[derive(Debug, Default)]
pub(super) struct OutlierState {
    ejected: AtomicBool,
    failures: AtomicU32,
    is_probing: AtomicBool,
    ejection: Mutex<Ejection>,
}

#[derive(Debug, Default)]
struct Ejection {
    /// Failed checks and the ejection itself, since the last response.
    rounds: u32,
    /// When the next check is due; `None` while the endpoint is in use, and during a check.
    check_at: Option<Instant>,
}

impl OutlierState {
    pub(super) fn is_ejected(&self) -> bool {
        self.ejected.load(Ordering::Relaxed)
    }

    /// Resets the failures. Returns `true` if the endpoint was ejected: an ejected endpoint still gets calls
    /// while there is no other, or a late response arrives.
    pub(super) fn record_response(&self) -> bool {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        self.is_ejected() && self.uneject()
    }

    /// Returns `true` if the endpoint has failed too often in a row.
    pub(super) fn record_failure(&self) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES_MAX
    }

    /// Ejects the endpoint. Returns the time to the first check, or `None` if it is ejected already.
    pub(super) fn eject(&self, now: Instant) -> Option<Duration> {
        let mut ejection = self.ejection();
        if self.ejected.swap(true, Ordering::Relaxed) {
            return None;
        }
        Some(ejection.schedule_check(now))
    }

    /// Returns `true` once per check that is due.
    pub(super) fn take_due_check(&self, now: Instant) -> bool {
        if !self.is_ejected() {
            return false;
        }
        let mut ejection = self.ejection();
        let is_due = ejection.check_at.is_some_and(|check_at| check_at <= now);
        if is_due {
            ejection.check_at = None;
        }
        is_due
    }

    /// Extends the ejection after a failed check. Returns the time to the next one, or `None` if the endpoint
    /// was unejected during the check.
    pub(super) fn extend(&self, now: Instant) -> Option<Duration> {
        let mut ejection = self.ejection();
        self.is_ejected().then(|| ejection.schedule_check(now))
    }

    /// Ends an ejection. Returns `false` if there was none.
    pub(super) fn uneject(&self) -> bool {
        let mut ejection = self.ejection();
        self.failures.store(0, Ordering::Relaxed);
        *ejection = Ejection::default();
        self.ejected.swap(false, Ordering::Relaxed)
    }

    /// Returns `true` if a liveness probe may start: one at a time.
    pub(super) fn start_probe(&self) -> bool {
        !self.is_probing.swap(true, Ordering::Relaxed)
    }

    pub(super) fn end_probe(&self) {
        self.is_probing.store(false, Ordering::Relaxed);
    }

    fn ejection(&self) -> MutexGuard<'_, Ejection> {
        // No code panics while it holds the lock.
        self.ejection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ejection {
    fn schedule_check(&mut self, now: Instant) -> Duration {
        self.rounds = self.rounds.saturating_add(1);
        let wait = EJECTION.wait(self.rounds);
        self.check_at = Some(now + wait);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_is_ejected_once_and_checked_once_when_due() {
        let (state, now) = (OutlierState::default(), Instant::now());
        let wait = state.eject(now).unwrap();
        assert_eq!(state.eject(now), None);
        assert!(state.is_ejected() && !state.take_due_check(now) && !state.take_due_check(now + wait / 2));
        assert!(state.take_due_check(now + wait));
        assert!(!state.take_due_check(now + wait), "two checks at once");
    }

    #[test]
    fn each_failed_check_extends_the_ejection_up_to_its_maximum() {
        let (state, now) = (OutlierState::default(), Instant::now());
        let mut waits = vec![state.eject(now).unwrap()];
        for _ in 0..12 {
            waits.push(state.extend(now).unwrap());
        }
        assert!(waits[4] > 2 * waits[0], "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= EJECTION.max * 6 / 5), "{waits:?}");
        assert!(state.uneject());
        assert!(state.eject(now).unwrap() < EJECTION.initial * 13 / 10, "the backoff was not reset");
    }

    #[test]
    fn only_consecutive_failures_count() {
        let state = OutlierState::default();
        for _ in 0..3 {
            for _ in 1..FAILURES_MAX {
                assert!(!state.record_failure());
            }
            assert!(!state.record_response());
        }
        for _ in 1..FAILURES_MAX {
            assert!(!state.record_failure());
        }
        assert!(state.record_failure());
    }

    #[test]
    fn response_unejects_and_ends_a_check_in_progress() {
        let state = OutlierState::default();
        state.eject(Instant::now());
        assert!(state.record_response());
        assert!(!state.record_response() && !state.is_ejected());
        assert_eq!(state.extend(Instant::now()), None);
    }
}
