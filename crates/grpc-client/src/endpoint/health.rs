//! Whether an endpoint is in use, and when it is tried again.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::service_config::Backoff;

/// Attempts that must fail in a row, with no answer between, before an endpoint is taken out of use.
const FAILURES_MAX: u32 = 5;
/// How long an endpoint is out of use: longer each time that it is found not to be there.
const EJECTION: Backoff =
    Backoff { initial: Duration::from_millis(500), max: Duration::from_secs(10), multiplier: 1.6 };

#[derive(Debug, Default)]
pub(super) struct Health {
    ejected: AtomicBool,
    failures: AtomicU32,
    being_asked: AtomicBool,
    away: Mutex<Away>,
}

/// How long an endpoint has been away.
#[derive(Debug, Default)]
struct Away {
    /// Times that it was not there, since it last answered.
    turns: u32,
    /// When it is asked again; `None` while it is in use, and while it is being asked.
    until: Option<Instant>,
}

impl Health {
    pub(super) fn is_ejected(&self) -> bool {
        self.ejected.load(Ordering::Relaxed)
    }

    /// `true` where the endpoint was out of use and is not any more: it was used since there was no other, or answered
    /// after all.
    pub(super) fn answered(&self) -> bool {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        self.is_ejected() && self.bring_back()
    }

    /// `true` where these are too many.
    pub(super) fn failed(&self) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES_MAX
    }

    /// Takes the endpoint out of use: for how long, or `None` where it is already.
    pub(super) fn eject(&self, now: Instant) -> Option<Duration> {
        let mut away = self.away();
        if self.ejected.swap(true, Ordering::Relaxed) {
            return None;
        }
        Some(away.for_another_turn(now))
    }

    /// Whether the endpoint is to be asked now; it is asked once.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        if !self.is_ejected() {
            return false;
        }
        let mut away = self.away();
        let due = away.until.is_some_and(|until| until <= now);
        if due {
            away.until = None;
        }
        due
    }

    /// The endpoint was asked and was not there: for how long it is left alone, or `None` where it came back meanwhile.
    pub(super) fn stay_away(&self, now: Instant) -> Option<Duration> {
        let mut away = self.away();
        self.is_ejected().then(|| away.for_another_turn(now))
    }

    /// Puts the endpoint back into use; `false` where it is.
    pub(super) fn bring_back(&self) -> bool {
        let mut away = self.away();
        self.failures.store(0, Ordering::Relaxed);
        *away = Away::default();
        self.ejected.swap(false, Ordering::Relaxed)
    }

    /// Whether the endpoint may be questioned: one question at a time.
    pub(super) fn begin_question(&self) -> bool {
        !self.being_asked.swap(true, Ordering::Relaxed)
    }

    pub(super) fn end_question(&self) {
        self.being_asked.store(false, Ordering::Relaxed);
    }

    fn away(&self) -> MutexGuard<'_, Away> {
        // Nothing panics while the lock is held.
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Away {
    fn for_another_turn(&mut self, now: Instant) -> Duration {
        self.turns = self.turns.saturating_add(1);
        let wait = EJECTION.wait(self.turns);
        self.until = Some(now + wait);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_ejected_once_and_asked_once_when_its_time_has_come() {
        let (health, now) = (Health::default(), Instant::now());
        let wait = health.eject(now).unwrap();
        assert_eq!(health.eject(now), None);
        assert!(health.is_ejected() && !health.is_due(now) && !health.is_due(now + wait / 2));
        assert!(health.is_due(now + wait));
        assert!(!health.is_due(now + wait), "asked twice at once");
    }

    #[test]
    fn each_time_it_is_not_there_it_is_left_alone_for_longer() {
        let (health, now) = (Health::default(), Instant::now());
        let mut waits = vec![health.eject(now).unwrap()];
        for _ in 0..12 {
            waits.push(health.stay_away(now).unwrap());
        }
        assert!(waits[4] > 2 * waits[0], "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= EJECTION.max * 6 / 5), "{waits:?}");
        assert!(health.bring_back());
        assert!(health.eject(now).unwrap() < EJECTION.initial * 13 / 10, "the count starts anew");
    }

    #[test]
    fn only_failures_in_a_row_are_too_many() {
        let health = Health::default();
        for _ in 0..3 {
            for _ in 1..FAILURES_MAX {
                assert!(!health.failed());
            }
            assert!(!health.answered());
        }
        for _ in 1..FAILURES_MAX {
            assert!(!health.failed());
        }
        assert!(health.failed());
    }

    #[test]
    fn an_answer_brings_an_endpoint_back() {
        let health = Health::default();
        health.eject(Instant::now());
        assert!(health.answered());
        assert!(!health.answered() && !health.is_ejected());
        assert_eq!(health.stay_away(Instant::now()), None, "it came back while it was being asked");
    }
}
