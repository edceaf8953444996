//! A count of the events of the last second.

use std::{
    sync::atomic::{AtomicU32, AtomicUsize, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// The length of a slice of time, and the slices of a second, the current one included.
const SLICE: Duration = Duration::from_millis(100);
const SLICES: usize = 10;

/// A count of the last second, in slices. Concurrent events at the start of a slice may lose a count, which
/// is precise enough for a rate.
pub(super) struct Rate {
    began: Instant,
    slices: [Slice; SLICES],
}

#[derive(Default)]
struct Slice {
    /// The number of its slice of time since the start.
    number: AtomicUsize,
    count: AtomicU32,
}

impl Rate {
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, slices: Default::default() }
    }

    /// Counts an event at `now`.
    pub(super) fn count(&self, now: Instant) {
        let number = self.number(now);
        let slice = &self.slices[number % SLICES];
        if slice.number.swap(number, Ordering::Relaxed) != number {
            slice.count.store(0, Ordering::Relaxed);
        }
        slice.count.fetch_add(1, Ordering::Relaxed);
    }

    /// The events of the second before `now`.
    pub(super) fn of(&self, now: Instant) -> u32 {
        let number = self.number(now);
        let within = |slice: &&Slice| {
            let of = slice.number.load(Ordering::Relaxed);
            of <= number && of + SLICES > number
        };
        let counts = self.slices.iter().filter(within).map(|slice| slice.count.load(Ordering::Relaxed));
        counts.fold(0, u32::saturating_add)
    }

    fn number(&self, now: Instant) -> usize {
        let slices = now.saturating_duration_since(self.began).as_nanos() / SLICE.as_nanos();
        usize::try_from(slices).unwrap_or(usize::MAX - SLICES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_count_for_one_second() {
        let began = Instant::now();
        let rate = Rate::new(began);
        let at = |ms: u64| began + Duration::from_millis(ms);
        assert_eq!(rate.of(began), 0);
        for ms in [0, 0, 150, 950] {
            rate.count(at(ms));
        }
        assert_eq!(rate.of(at(999)), 4);
        assert_eq!(rate.of(at(1_000)), 2);
        assert_eq!(rate.of(at(1_100)), 1);
        rate.count(at(1_100));
        assert_eq!(rate.of(at(1_100)), 2);
        assert_eq!(rate.of(at(3_000)), 0);
    }

    #[test]
    fn the_count_stays_exact_over_many_seconds() {
        let began = Instant::now();
        let rate = Rate::new(began);
        for ms in 0..5_000 {
            rate.count(began + Duration::from_millis(ms));
        }
        assert_eq!(rate.of(began + Duration::from_millis(4_999)), 1_000);
    }
}
