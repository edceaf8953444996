//! The requests of this instance that wait for orders of other tasks.
//!
//! Of the requests that wait for one order, one polls its status. It notifies the others, and so does a task
//! of this instance that settles the order. A request that stops waiting hands polling over to another.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::{Mutex as AsyncMutex, watch};

use super::{Application, IN_PROGRESS_POLL, IN_PROGRESS_POLL_MAX};
use crate::domain::{OrderId, Status};

/// The orders that requests of this instance wait for. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Waiters(Arc<Mutex<BTreeMap<OrderId, Weak<Awaited>>>>);

/// An order that at least one request waits for.
#[derive(Debug)]
struct Awaited {
    changed: watch::Sender<bool>,
    /// The pause before the next poll. Locked by the request that polls.
    poll: AsyncMutex<Duration>,
}

impl Waiters {
    /// Wakes the requests that wait for the order.
    pub(super) fn notify(&self, order: OrderId) {
        let awaited = self.lock().remove(&order);
        if let Some(awaited) = awaited.and_then(|awaited| awaited.upgrade()) {
            awaited.changed.send_replace(true);
        }
    }

    fn join(&self, order: OrderId) -> Waiting {
        let mut orders = self.lock();
        let known = orders.get(&order).and_then(Weak::upgrade);
        let awaited = known.unwrap_or_else(|| {
            let (changed, poll) = (watch::Sender::new(false), AsyncMutex::new(IN_PROGRESS_POLL));
            let awaited = Arc::new(Awaited { changed, poll });
            orders.insert(order, Arc::downgrade(&awaited));
            awaited
        });
        Waiting { waiters: self.clone(), order, awaited }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<OrderId, Weak<Awaited>>> {
        // No code panics while it holds the lock, so a poisoned one has a valid value.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one request among those that wait for the order.
struct Waiting {
    waiters: Waiters,
    order: OrderId,
    awaited: Arc<Awaited>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut orders = self.waiters.lock();
        let is_last = Arc::strong_count(&self.awaited) == 1;
        let is_own = |entry: &Weak<Awaited>| entry.as_ptr() == Arc::as_ptr(&self.awaited);
        if is_last && orders.get(&self.order).is_some_and(is_own) {
            orders.remove(&self.order);
        }
    }
}

impl Application {
    /// Waits until the PENDING order has, or may have, another status. Returns `false` if it has none after
    /// `time_left`. A poll that fails is repeated.
    pub(super) async fn wait_while_pending(&self, order: OrderId, time_left: Duration) -> bool {
        let waiting = self.waiters.join(order);
        let mut changed = waiting.awaited.changed.subscribe();
        let poll = async {
            let mut pause = waiting.awaited.poll.lock().await;
            loop {
                self.clock.sleep(*pause).await;
                *pause = (*pause * 2).min(IN_PROGRESS_POLL_MAX);
                match self.orders.status(order).await {
                    Ok(Some(Status::Pending)) | Err(_) => {}
                    Ok(_) => break,
                }
            }
        };
        tokio::select! {
            biased;
            _ = changed.wait_for(|changed| *changed) => true,
            () = poll => {
                self.waiters.notify(order);
                true
            }
            () = self.clock.sleep(time_left) => false,
        }
    }
}
