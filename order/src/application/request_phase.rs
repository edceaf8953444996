//! The phase of a request, shared by its saga and the code that responds at the deadline.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::OrderId;

/// Decides whether NOT_STARTED may still be returned: only for a request that did nothing and will do
/// nothing.
#[derive(Debug, Default)]
pub(super) struct RequestPhase(Mutex<Phase>);

/// How far a request has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The request has done nothing yet.
    #[default]
    NotStarted,
    /// The request waits for an earlier one that placed this order, and has done nothing itself.
    Waiting(OrderId),
    /// The request may have made this order PENDING.
    Pending(OrderId),
    /// The client got a response by which the request did nothing.
    Abandoned,
}

impl RequestPhase {
    /// Records that the request may make the order `id` PENDING from now on. Returns `false` if it must not.
    pub(super) fn try_begin(&self, id: OrderId) -> bool {
        self.advance(Phase::Pending(id))
    }

    /// Retracts the last [`try_begin`](Self::try_begin), which did nothing. `in_doubt`: the id of an earlier
    /// INSERT that may have been committed.
    pub(super) fn retract(&self, in_doubt: Option<OrderId>) {
        self.advance(in_doubt.map_or(Phase::NotStarted, Phase::Pending));
    }

    /// Records that an earlier request placed the order `id`, and that this one waits for it.
    pub(super) fn wait_for(&self, id: OrderId) {
        self.advance(Phase::Waiting(id));
    }

    /// Returns the phase. A request that has done nothing by now will do nothing later.
    pub(super) fn abandon(&self) -> Phase {
        let mut phase = self.lock();
        let reached = *phase;
        if !matches!(reached, Phase::Pending(_)) {
            *phase = Phase::Abandoned;
        }
        reached
    }

    fn advance(&self, next: Phase) -> bool {
        let mut phase = self.lock();
        let allowed = *phase != Phase::Abandoned;
        if allowed {
            *phase = next;
        }
        allowed
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        // No code panics while it holds the lock, so a poisoned one has a valid value.
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
    fn abandoned_request_never_begins() {
        let phase = RequestPhase::default();
        assert_eq!(phase.abandon(), Phase::NotStarted);
        assert!(!phase.try_begin(id(1)));
        phase.retract(Some(id(1)));
        phase.wait_for(id(1));
        assert_eq!(phase.abandon(), Phase::Abandoned);
    }

    #[test]
    fn request_that_may_have_begun_goes_on_after_the_deadline() {
        let phase = RequestPhase::default();
        assert!(phase.try_begin(id(7)));
        assert_eq!(phase.abandon(), Phase::Pending(id(7)));
        assert!(phase.try_begin(id(8)));
    }

    #[test]
    fn retracted_request_can_be_abandoned() {
        let phase = RequestPhase::default();
        assert!(phase.try_begin(id(7)));
        phase.retract(Some(id(6)));
        assert_eq!(phase.abandon(), Phase::Pending(id(6)));
        phase.retract(None);
        assert_eq!(phase.abandon(), Phase::NotStarted);
        assert!(!phase.try_begin(id(7)));
    }

    #[test]
    fn waiting_request_is_abandoned_with_its_order() {
        let phase = RequestPhase::default();
        phase.wait_for(id(7));
        assert_eq!(phase.abandon(), Phase::Waiting(id(7)));
        assert!(!phase.try_begin(id(7)));
    }
}
