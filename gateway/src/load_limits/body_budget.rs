//! The bytes of request bodies in memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::BODIES_BYTES_MAX;

/// Bytes reserved by all bodies together.
#[derive(Debug, Default)]
pub(super) struct BodyBudget(AtomicUsize);

/// Bytes reserved by one body; dropping it releases them.
#[derive(Debug)]
pub(crate) struct BodyReservation<'a> {
    budget: &'a BodyBudget,
    bytes: usize,
}

impl BodyBudget {
    pub(super) fn reserve(&self) -> BodyReservation<'_> {
        BodyReservation { budget: self, bytes: 0 }
    }
}

impl BodyReservation<'_> {
    /// Reserves further bytes; `false` where all bodies together exceed [`BODIES_BYTES_MAX`].
    pub(crate) fn try_grow(&mut self, bytes: usize) -> bool {
        let reserved = self.budget.0.fetch_add(bytes, Ordering::Relaxed);
        // Counted also on failure: dropping the reservation subtracts them again.
        self.bytes += bytes;
        reserved.saturating_add(bytes) <= BODIES_BYTES_MAX
    }
}

impl Drop for BodyReservation<'_> {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
