//! Time-ordered ids: positive, below 2^53, made without the database.
//!
//! 41 bits of milliseconds since 2026-01-01T00:00:00Z (enough until 2095) and 12 bits that start at random in
//! each millisecond and count up. One sequence never repeats an id. Two may make the same id; the unique key
//! of the row then conflicts, and the caller takes another.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// 2026-01-01T00:00:00Z in milliseconds since the Unix epoch.
pub const EPOCH_MS: i64 = 1_767_225_600_000;
const SEQUENCE_BITS: u32 = 12;
const MILLISECONDS_MAX: i64 = (1 << 41) - 1;

/// The ids of one process.
#[derive(Debug, Default)]
pub struct IdSequence {
    last: Mutex<i64>,
}

impl IdSequence {
    /// The next id. It exceeds all earlier ids of this sequence, even if the clock was set back.
    pub fn next_id(&self) -> i64 {
        self.id_at(now_ms(), random_start())
    }

    fn id_at(&self, now_ms: i64, start: i64) -> i64 {
        let ms = (now_ms - EPOCH_MS).clamp(1, MILLISECONDS_MAX);
        // No code panics while it holds the lock, so the value is valid even if the lock is poisoned.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (*last + 1).max((ms << SEQUENCE_BITS) + start);
        *last
    }
}

/// The lowest id of the millisecond `ms` since the Unix epoch. Ids made earlier are below it, as far as the
/// clock was right. At least 1, the lowest id.
pub fn first_id_at(ms: i64) -> i64 {
    (ms.saturating_sub(EPOCH_MS).clamp(0, MILLISECONDS_MAX) << SEQUENCE_BITS).max(1)
}

/// Milliseconds since the Unix epoch; 0 for a clock set before it.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A random number in the lower half of the sequence; the upper half is for counting.
fn random_start() -> i64 {
    i64::from(random_u32() % (1 << (SEQUENCE_BITS - 1)))
}

/// 32 random bits from the operating system. On failure, the fraction of the clock: the bits must differ
/// between processes, and need not be secret.
pub fn random_u32() -> u32 {
    getrandom::u32()
        .unwrap_or_else(|_| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos())
}

/// A random duration from half of `max` to `max`, so that colliding retries spread.
pub fn jittered(max: Duration) -> Duration {
    max / 2 + max / 2 * (random_u32() >> 16) / (1 << 16)
}

/// A random UUID (version 4) as text.
pub fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_fits_a_javascript_number_until_2095() {
        let id = IdSequence::default().id_at(EPOCH_MS + MILLISECONDS_MAX, 2047);
        assert!(id < 1 << 53);
    }

    #[test]
    fn ids_rise_even_when_the_clock_is_set_back() {
        let sequence = IdSequence::default();
        let first = sequence.id_at(EPOCH_MS + 1000, 7);
        let second = sequence.id_at(EPOCH_MS + 10, 0);
        assert!(second > first);
    }

    #[test]
    fn ten_thousand_ids_are_distinct() {
        let sequence = IdSequence::default();
        let ids: std::collections::BTreeSet<i64> = (0..10_000).map(|_| sequence.next_id()).collect();
        assert_eq!(ids.len(), 10_000);
    }

    #[test]
    fn an_id_starts_with_the_time() {
        // 2026-11-23T06:00:00Z
        assert_eq!(IdSequence::default().id_at(1_795_413_600_000, 0), 115_458_048_000_000);
    }

    #[test]
    fn the_first_id_of_a_time_separates_earlier_from_later_ids() {
        let ms = 1_795_413_600_000;
        assert_eq!(first_id_at(ms), 115_458_048_000_000);
        assert!(IdSequence::default().id_at(ms - 1, (1 << SEQUENCE_BITS) - 1) < first_id_at(ms));
        assert_eq!((first_id_at(0), first_id_at(i64::MIN)), (1, 1));
        assert!(first_id_at(i64::MAX) < 1 << 53);
    }
}
