//! Admission of transactions that lock the same row, so that one customer's row does not occupy the pool.
//!
//! A transaction waits here, before it takes a connection, in order of arrival. At most a quarter of the
//! connections run transactions of one contention key. One that finds [`ADMITTED_MIN`] others is rejected at
//! once.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::pool::POOL_WAIT_MAX;

/// The contention key of the row that `identity` names. Two rows may have the same key, and are then limited
/// together.
pub fn contention_key(identity: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    identity.hash(&mut hasher);
    hasher.finish()
}

/// The least number of transactions of one contention key that run or wait at once.
const ADMITTED_MIN: usize = 32;

/// The transactions of each contention key that run or wait. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    keys: Arc<Mutex<HashMap<u64, Key>>>,
    /// Maximum number of transactions of a key that run at once.
    running_max: usize,
}

#[derive(Debug)]
struct Key {
    running: Arc<Semaphore>,
    /// The transactions that run or wait.
    admitted: usize,
}

/// Why a transaction is not admitted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdmissionError {
    #[error("too many transactions wait for the same row")]
    TooMany,
    #[error("other transactions for the same row took too long")]
    TimedOut,
}

impl Admission {
    /// Admission to a pool of at most `connections_max` connections.
    pub(crate) fn new(connections_max: usize) -> Self {
        Self { keys: Arc::default(), running_max: (connections_max / 4).max(1) }
    }

    /// Waits until a transaction of this contention key may take a connection, for at most [`POOL_WAIT_MAX`].
    pub(crate) async fn admit(&self, key: u64) -> Result<Admitted, AdmissionError> {
        let (place, running) = self.enter(key)?;
        match timeout(POOL_WAIT_MAX, running.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Admitted { _permit: permit, _place: place }),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(AdmissionError::TimedOut),
        }
    }

    fn enter(&self, key: u64) -> Result<(Place, Arc<Semaphore>), AdmissionError> {
        let mut keys = self.lock();
        let new = || Key { running: Arc::new(Semaphore::new(self.running_max)), admitted: 0 };
        let entry = keys.entry(key).or_insert_with(new);
        if entry.admitted >= ADMITTED_MIN.max(2 * self.running_max) {
            return Err(AdmissionError::TooMany);
        }
        entry.admitted += 1;
        let running = entry.running.clone();
        Ok((Place { admission: self.clone(), key }, running))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Key>> {
        // No code panics while it holds the lock, so a poisoned one has a valid value.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to take a connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

/// Counts one transaction that runs or waits.
#[derive(Debug)]
struct Place {
    admission: Admission,
    key: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut keys = self.admission.lock();
        if let Some(entry) = keys.get_mut(&self.key) {
            entry.admitted -= 1;
            if entry.admitted == 0 {
                keys.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_quarter_of_the_pool_runs_the_others_wait_in_order_and_the_33rd_is_rejected() {
        let admission = Admission::new(16);
        let mut running = Vec::new();
        for _ in 0..4 {
            running.push(admission.admit(7).await.unwrap());
        }
        let (sender, mut admitted) = tokio::sync::mpsc::unbounded_channel();
        for number in 0..28 {
            let (admission, sender) = (admission.clone(), sender.clone());
            tokio::spawn(async move {
                let place = admission.admit(7).await;
                sender.send((number, place)).unwrap();
            });
            tokio::task::yield_now().await;
        }
        assert!(matches!(admission.admit(7).await, Err(AdmissionError::TooMany)));
        assert!(admission.admit(8).await.is_ok(), "another key is not affected");
        assert!(admitted.try_recv().is_err(), "a fifth one runs");
        for expected in 0..28 {
            drop(running.remove(0));
            let (number, place) = admitted.recv().await.unwrap();
            assert_eq!(number, expected);
            running.push(place.unwrap());
        }
        running.clear();
        assert!(admission.lock().is_empty(), "an idle key is kept");
    }

    #[tokio::test(start_paused = true)]
    async fn a_transaction_that_waits_too_long_gives_up_its_place() {
        let admission = Admission::new(1);
        let running = admission.admit(7).await.unwrap();
        assert!(matches!(admission.admit(7).await, Err(AdmissionError::TimedOut)));
        drop(running);
        assert!(admission.lock().is_empty());
    }
}
