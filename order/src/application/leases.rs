//! Leases: a task that works on an order keeps it from becoming due for recovery.
//!
//! An order is due when the lease of its last claim ends, or [`FIRST_CHECK`] after it became PENDING. A task
//! that takes longer renews the lease, so that no other instance calls Payment for the order meanwhile. After
//! a crash, the lease ends within [`FIRST_CHECK`]. One write renews all leases of the instance that end soon.
//!
//! Correctness depends on no lease: one that ends too early causes a second call of Payment, whose response
//! never changes.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Mutex as AsyncMutex, oneshot};

use super::Application;
use crate::{domain::OrderId, ports::FIRST_CHECK};

/// A lease is renewed this long before its end.
const RENEW_BEFORE: Duration = Duration::from_millis(750);
/// Leases that end this soon after the one to renew are renewed with it.
const RENEW_TOGETHER: Duration = Duration::from_millis(250);
/// The pause after a renewal that failed.
const RENEW_PAUSE: Duration = Duration::from_millis(250);

/// The leases of the orders that this instance works on. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Leases {
    held: Arc<Mutex<Held>>,
    /// Locked while leases are renewed.
    renewing: Arc<AsyncMutex<()>>,
}

#[derive(Debug, Default)]
struct Held {
    last_number: u64,
    leases: BTreeMap<u64, Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    order: OrderId,
    /// By the application's monotonic clock.
    ends_at: Duration,
}

impl Leases {
    fn hold(&self, order: OrderId, ends_at: Duration) -> Lease {
        let mut held = self.lock();
        held.last_number += 1;
        let number = held.last_number;
        held.leases.insert(number, Entry { order, ends_at });
        Lease { leases: self.clone(), number }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // No code panics while it holds the lock, so a poisoned one has a valid value.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The leases that end at `moment` or earlier.
    fn ending(&self, moment: Duration) -> Vec<(u64, OrderId)> {
        let held = self.lock();
        let ending = held.leases.iter().filter(|(_, entry)| entry.ends_at <= moment);
        ending.map(|(number, entry)| (*number, entry.order)).collect()
    }

    fn set_end(&self, leases: &[(u64, OrderId)], ends_at: Duration) {
        let mut held = self.lock();
        for (number, _) in leases {
            if let Some(entry) = held.leases.get_mut(number) {
                entry.ends_at = ends_at;
            }
        }
    }
}

/// The lease of one order, until it is dropped.
struct Lease {
    leases: Leases,
    number: u64,
}

impl Lease {
    fn ends_at(&self) -> Duration {
        self.leases.lock().leases.get(&self.number).map_or(Duration::MAX, |entry| entry.ends_at)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.lock().leases.remove(&self.number);
    }
}

impl Application {
    /// Runs `work` on an order whose lease ends after `lease`, and renews the lease until `work` ends.
    pub(super) async fn with_lease<T>(
        &self,
        order: OrderId,
        lease: Duration,
        work: impl Future<Output = T>,
    ) -> T {
        let lease = self.leases.hold(order, self.clock.monotonic() + lease);
        tokio::select! {
            biased;
            output = work => output,
            never = self.keep(&lease) => match never {},
        }
    }

    /// Renews the lease again and again.
    async fn keep(&self, lease: &Lease) -> Infallible {
        loop {
            let ends_at = lease.ends_at();
            let renew_at = ends_at.saturating_sub(RENEW_BEFORE);
            self.clock.sleep(renew_at.saturating_sub(self.clock.monotonic())).await;
            let turn = self.leases.renewing.clone().lock_owned().await;
            if lease.ends_at() != ends_at {
                // Renewed with the lease of another task.
                continue;
            }
            let (application, (sender, renewed)) = (self.clone(), oneshot::channel());
            // A task of its own: the write must not be cancelled when the work on the order ends.
            self.tasks.spawn(Box::pin(async move {
                application.renew_ending(ends_at + RENEW_TOGETHER).await;
                drop((turn, sender.send(())));
            }));
            let _ = renewed.await;
        }
    }

    async fn renew_ending(&self, moment: Duration) {
        let started = self.clock.monotonic();
        let ending = self.leases.ending(moment);
        let orders: Vec<OrderId> = ending.iter().map(|(_, order)| *order).collect();
        // The adapter logs the error of the store.
        let ends_at = match self.orders.renew(&orders, FIRST_CHECK).await {
            Ok(()) => started + FIRST_CHECK,
            Err(_) => self.clock.monotonic() + RENEW_BEFORE + RENEW_PAUSE,
        };
        self.leases.set_end(&ending, ends_at);
    }
}
