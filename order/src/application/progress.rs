//! What a driver and whoever answers its caller know of each other.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::OrderId;

/// How far a driver got, in one word that both sides agree on: a caller is told that its request did nothing
/// only if it will do nothing.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<State>);

/// What became of a request so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It did nothing yet.
    #[default]
    Before,
    /// It waits for an earlier request that placed this order, and did nothing itself.
    Waiting(OrderId),
    /// It may have made this order PENDING.
    Pending(OrderId),
    /// Its caller was told that it did nothing.
    Abandoned,
}

impl Progress {
    /// Records that the order `id` may be made PENDING from now on; `false` where that must not happen any more.
    pub(super) fn may_begin(&self, id: OrderId) -> bool {
        self.reach(State::Pending(id))
    }

    /// Takes the last [`may_begin`](Self::may_begin) back: it did nothing. `doubtful` is an order that an
    /// earlier one may have made.
    pub(super) fn did_nothing(&self, doubtful: Option<OrderId>) {
        self.reach(doubtful.map_or(State::Before, State::Pending));
    }

    /// Records that an earlier request placed the order `id`, and that this one waits for it.
    pub(super) fn waits_for(&self, id: OrderId) {
        self.reach(State::Waiting(id));
    }

    /// How far the request got; where it did nothing, keeps it from doing anything.
    pub(super) fn abandon(&self) -> State {
        let mut state = self.state();
        let reached = *state;
        if !matches!(reached, State::Pending(_)) {
            *state = State::Abandoned;
        }
        reached
    }

    fn reach(&self, next: State) -> bool {
        let mut state = self.state();
        let allowed = *state != State::Abandoned;
        if allowed {
            *state = next;
        }
        allowed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, so a poisoned one holds a good value too.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(id: i64) -> OrderId {
        OrderId::new(id).unwrap()
    }

    #[test]
    fn an_abandoned_request_never_begins() {
        let progress = Progress::default();
        assert_eq!(progress.abandon(), State::Before);
        assert!(!progress.may_begin(id(1)));
        progress.did_nothing(Some(id(1)));
        progress.waits_for(id(1));
        assert_eq!(progress.abandon(), State::Abandoned);
    }

    #[test]
    fn an_order_that_may_be_pending_is_named_and_goes_on() {
        let progress = Progress::default();
        assert!(progress.may_begin(id(7)));
        assert_eq!(progress.abandon(), State::Pending(id(7)));
        assert!(progress.may_begin(id(8)));
    }

    #[test]
    fn a_request_that_did_nothing_after_all_can_be_abandoned() {
        let progress = Progress::default();
        assert!(progress.may_begin(id(7)));
        progress.did_nothing(Some(id(6)));
        assert_eq!(progress.abandon(), State::Pending(id(6)));
        progress.did_nothing(None);
        assert_eq!(progress.abandon(), State::Before);
        assert!(!progress.may_begin(id(7)));
    }

    #[test]
    fn a_request_that_waits_is_abandoned_with_the_order_it_waits_for() {
        let progress = Progress::default();
        progress.waits_for(id(7));
        assert_eq!(progress.abandon(), State::Waiting(id(7)));
        assert!(!progress.may_begin(id(7)));
    }
}
