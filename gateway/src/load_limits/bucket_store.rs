//! The token buckets of a rate limit: bounded in number, without those that are full again.

use std::{
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use governor::{nanos::Nanos, state::StateStore};
use hashlink::LruCache;

/// Idle buckets removed per request: more than one, so that their number falls after a peak.
const REMOVED_PER_REQUEST: usize = 2;

/// The bucket of each key, for a bounded number of keys.
///
/// A bucket that is unused for a whole window is full, as is the bucket of an unknown key: it is removed.
/// Beyond the bound, the least recently used bucket is evicted. governor's own stores have no bound, and
/// shrink only by a full scan.
pub(super) struct BucketStore<K> {
    window: Duration,
    buckets: Mutex<LruCache<K, Bucket>>,
}

struct Bucket {
    /// When the bucket is full again ("theoretical arrival time").
    full: Nanos,
    used: Instant,
}

impl<K: Hash + Eq> BucketStore<K> {
    pub(super) fn new(keys_max: usize, window: Duration) -> Self {
        Self { window, buckets: Mutex::new(LruCache::new(keys_max)) }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl<K: Hash + Eq + Clone> StateStore for BucketStore<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let used = Instant::now();
        for _ in 0..REMOVED_PER_REQUEST {
            let idle = buckets.iter().next().is_some_and(|(_, oldest)| used - oldest.used > self.window);
            if !idle {
                break;
            }
            buckets.remove_lru();
        }
        match buckets.get_mut(key) {
            Some(bucket) => {
                bucket.used = used;
                let (outcome, full) = measure(Some(bucket.full))?;
                bucket.full = full;
                Ok(outcome)
            }
            None => {
                let (outcome, full) = measure(None)?;
                buckets.insert(key.clone(), Bucket { full, used });
                Ok(outcome)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds 1 to the value of `key`, and returns the value before.
    fn add(store: &BucketStore<u32>, key: u32) -> Option<u64> {
        let before: Result<_, ()> = store.measure_and_replace(&key, |was| {
            let was = was.map(Nanos::as_u64);
            Ok((was, Nanos::from(was.unwrap_or(0) + 1)))
        });
        before.unwrap()
    }

    #[test]
    fn the_least_recently_used_bucket_is_evicted() {
        let store = BucketStore::new(2, Duration::from_secs(3600));
        assert_eq!(
            [add(&store, 1), add(&store, 2), add(&store, 1), add(&store, 3)],
            [None, None, Some(1), None]
        );
        assert_eq!([add(&store, 1), add(&store, 2)], [Some(2), None]);
        for key in 0..10_000 {
            add(&store, key);
        }
        assert_eq!(store.len(), 2);
    }

    #[test]
    fn a_bucket_idle_for_a_window_is_removed() {
        let store = BucketStore::new(1_000, Duration::ZERO);
        for key in 0..100 {
            add(&store, key);
        }
        assert!(store.len() <= REMOVED_PER_REQUEST, "{}", store.len());
    }

    #[test]
    fn a_rejection_changes_no_bucket() {
        let store = BucketStore::new(2, Duration::from_secs(3600));
        add(&store, 1);
        assert_eq!(store.measure_and_replace(&1, |_| Err::<((), Nanos), _>("no")), Err("no"));
        assert_eq!(store.measure_and_replace(&2, |_| Err::<((), Nanos), _>("no")), Err("no"));
        assert_eq!((store.len(), add(&store, 1)), (1, Some(1)));
    }
}
