//! Where the buckets of a rate limit are kept: so many, and none that is full again.

use std::{
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use governor::{nanos::Nanos, state::StateStore};
use hashlink::LruCache;

/// Idle buckets that are dropped when a request comes: more than one, so that what was left of a crowd goes away.
const DROPPED_AT_ONCE: usize = 2;

/// The state of each key, for up to so many keys.
///
/// A key that is not used for a whole window has a full bucket, which is what one that is not kept has: it is dropped. Where
/// there are too many all the same, the one that was not used for the longest time is. governor's own stores grow
/// until they are told to look through all that they hold.
pub(super) struct BucketStore<K> {
    window: Duration,
    kept: Mutex<LruCache<K, Bucket>>,
}

struct Bucket {
    /// When the bucket is full again ("theoretical arrival time").
    full: Nanos,
    used: Instant,
}

impl<K: Hash + Eq> BucketStore<K> {
    pub(super) fn new(keys_max: usize, window: Duration) -> Self {
        Self { window, kept: Mutex::new(LruCache::new(keys_max)) }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl<K: Hash + Eq + Clone> StateStore for BucketStore<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let used = Instant::now();
        for _ in 0..DROPPED_AT_ONCE {
            let idle = kept.iter().next().is_some_and(|(_, oldest)| used - oldest.used > self.window);
            if !idle {
                break;
            }
            kept.remove_lru();
        }
        match kept.get_mut(key) {
            Some(bucket) => {
                bucket.used = used;
                let (answer, full) = measure(Some(bucket.full))?;
                bucket.full = full;
                Ok(answer)
            }
            None => {
                let (answer, full) = measure(None)?;
                kept.insert(key.clone(), Bucket { full, used });
                Ok(answer)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds 1 to what is there, and says what it was.
    fn used(store: &BucketStore<u32>, key: u32) -> Option<u64> {
        let counted: Result<_, ()> = store.measure_and_replace(&key, |was| {
            let was = was.map(Nanos::as_u64);
            Ok((was, Nanos::from(was.unwrap_or(0) + 1)))
        });
        counted.unwrap()
    }

    #[test]
    fn of_too_many_keys_the_one_that_is_used_least_is_forgotten() {
        let store = BucketStore::new(2, Duration::from_secs(3600));
        assert_eq!(
            [used(&store, 1), used(&store, 2), used(&store, 1), used(&store, 3)],
            [None, None, Some(1), None]
        );
        assert_eq!([used(&store, 1), used(&store, 2)], [Some(2), None]);
        for key in 0..10_000 {
            used(&store, key);
        }
        assert_eq!(store.len(), 2);
    }

    #[test]
    fn a_key_that_is_idle_for_a_window_is_dropped() {
        let store = BucketStore::new(1_000, Duration::ZERO);
        for key in 0..100 {
            used(&store, key);
        }
        assert!(store.len() <= DROPPED_AT_ONCE, "{}", store.len());
    }

    #[test]
    fn a_refusal_changes_nothing() {
        let store = BucketStore::new(2, Duration::from_secs(3600));
        used(&store, 1);
        assert_eq!(store.measure_and_replace(&1, |_| Err::<((), Nanos), _>("no")), Err("no"));
        assert_eq!(store.measure_and_replace(&2, |_| Err::<((), Nanos), _>("no")), Err("no"));
        assert_eq!((store.len(), used(&store, 1)), (1, Some(1)));
    }
}
