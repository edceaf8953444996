//! What a driver and whoever answers its caller know of each other.

use std::sync::{Mutex, PoisonError};

use crate::domain::OrderId;

/// How far a driver got, in one word that both sides agree on: a caller is told that nothing was started
/// only if nothing will be.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<State>);

#[derive(Debug, Default, Clone, Copy)]
enum State {
    /// Nothing was saved yet.
    #[default]
    Before,
    /// The order may have been saved under this id.
    Saving(OrderId),
    /// The caller was told that nothing was started.
    Abandoned,
}

impl Progress {
    /// Records that the order may be saved as `id` from now on; `false` where that must not happen any more.
    pub(super) fn may_save(&self, id: OrderId) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let allowed = !matches!(*state, State::Abandoned);
        if allowed {
            *state = State::Saving(id);
        }
        allowed
    }

    /// The id under which the order may have been saved; where there is none, keeps it from being saved.
    pub(super) fn abandon(&self) -> Option<OrderId> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Saving(id) => Some(id),
            State::Before | State::Abandoned => {
                *state = State::Abandoned;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abandoned_order_is_never_saved() {
        let progress = Progress::default();
        assert_eq!(progress.abandon(), None);
        assert!(!progress.may_save(OrderId::new(1).unwrap()));
    }

    #[test]
    fn an_order_that_may_have_been_saved_is_named() {
        let progress = Progress::default();
        let id = OrderId::new(7).unwrap();
        assert!(progress.may_save(id));
        assert_eq!(progress.abandon(), Some(id));
    }
}
