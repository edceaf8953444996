//! Room for the bodies of requests that are on their way.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::BODIES_BYTES_MAX;

/// The bytes that all of them hold.
#[derive(Debug, Default)]
pub(super) struct Bodies(AtomicUsize);

/// What one body holds; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    bodies: &'a Bodies,
    bytes: usize,
}

impl Bodies {
    /// Room for a body of which nothing is there yet.
    pub(super) fn room(&self) -> Room<'_> {
        Room { bodies: self, bytes: 0 }
    }
}

impl Room<'_> {
    /// Whether there is room for so many more bytes, which are then held.
    pub(crate) fn add(&mut self, bytes: usize) -> bool {
        let held = self.bodies.0.fetch_add(bytes, Ordering::Relaxed);
        // Without room, too, so that dropping it gives all back.
        self.bytes += bytes;
        held.saturating_add(bytes) <= BODIES_BYTES_MAX
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.bodies.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
