//! The places of requests that are with the Order service.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// So many places.
#[derive(Debug)]
pub(crate) struct InFlight {
    taken: AtomicUsize,
    max: usize,
}

/// One place; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<InFlight>);

impl InFlight {
    pub(super) fn new(max: usize) -> Self {
        Self { taken: AtomicUsize::new(0), max }
    }

    /// Whether no place is left.
    pub(super) fn is_full(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.max
    }

    /// A place, if there is one.
    pub(super) fn enter(of: &Arc<Self>) -> Option<Place> {
        let place = Place(of.clone());
        let taken = of.taken.fetch_add(1, Ordering::Relaxed);
        // Dropped, the place is given back.
        (taken < of.max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_places_and_each_is_given_back() {
        let places = Arc::new(InFlight::new(2));
        let (first, _second) = (InFlight::enter(&places).unwrap(), InFlight::enter(&places).unwrap());
        for _ in 0..3 {
            assert!(places.is_full() && InFlight::enter(&places).is_none());
        }
        drop(first);
        assert!(!places.is_full() && InFlight::enter(&places).is_some());
    }
}
