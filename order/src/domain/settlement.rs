//! The transitions out of PENDING: from Payment's response to the new status and the condition for writing
//! it.

use super::Status;

/// Why Payment declined a charge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decline {
    /// Payment's reason, for example `INSUFFICIENT_BALANCE`.
    pub reason: String,
    /// Payment's sentences, one a line.
    pub description: String,
}

/// The outcome of a call of Payment's `Create`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeOutcome {
    /// The customer was charged, by this call or an earlier one.
    Charged,
    /// Payment declined the charge. Payment will never charge this order.
    Declined(Decline),
    /// Payment holds a tombstone for this order: it was given up before.
    Voided,
    /// Payment knows the order with another amount, currency or user. An operator must look.
    Mismatch,
    /// The call provably never ran.
    NeverRan,
    /// Any other failure: the call may have run.
    Unknown,
}

/// The outcome of a call of Payment's `Void`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoidOutcome {
    /// Payment holds a tombstone: the order will never be charged.
    Voided,
    /// Payment had charged or declined the order before. A repeated charge returns which.
    AlreadyDecided,
    /// Any other failure: the tombstone may exist.
    Unknown,
}

impl VoidOutcome {
    /// The settlement of the order; `None` if it must stay PENDING.
    pub fn settlement(self) -> Option<Settlement> {
        let voided = Settlement { status: Status::Voided, decline: None, guard: Guard::Pending };
        (self == Self::Voided).then_some(voided)
    }
}

/// Which tasks have called Payment for an order since it became PENDING.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempts {
    /// Only the calling task; each of its calls had the outcome that it reports.
    Exclusive,
    /// Another task has, or may have, called Payment too.
    Shared,
}

/// The new state of a PENDING order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The new status.
    pub status: Status,
    /// Why Payment declined, if it did.
    pub decline: Option<Decline>,
    /// The condition of the change.
    pub guard: Guard,
}

/// The condition of the compare-and-set that settles an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// The order is PENDING. Payment's response for an order never changes, so any task may write it.
    Pending,
    /// The order is PENDING, and its fence is unchanged: no other task has claimed it, so no other call is on
    /// its way.
    Fence,
}

impl ChargeOutcome {
    /// The settlement of the order; `None` if it must stay PENDING.
    ///
    /// A call that never ran makes the order NOT_CHARGED only if no other task has called Payment.
    pub fn settlement(self, attempts: Attempts) -> Option<Settlement> {
        let (status, decline, guard) = match (self, attempts) {
            (Self::Charged, _) => (Status::Paid, None, Guard::Pending),
            (Self::Declined(decline), _) => (Status::Declined, Some(decline), Guard::Pending),
            (Self::Voided, _) => (Status::Voided, None, Guard::Pending),
            (Self::NeverRan, Attempts::Exclusive) => (Status::NotCharged, None, Guard::Fence),
            (Self::NeverRan, Attempts::Shared) | (Self::Mismatch | Self::Unknown, _) => return None,
        };
        Some(Settlement { status, decline, guard })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_exclusive_call_that_never_ran_becomes_not_charged() {
        let status = |outcome: ChargeOutcome| {
            outcome.settlement(Attempts::Exclusive).map(|settlement| settlement.status)
        };
        assert_eq!(status(ChargeOutcome::NeverRan), Some(Status::NotCharged));
        assert_eq!(status(ChargeOutcome::Unknown), None);
        assert_eq!(status(ChargeOutcome::Mismatch), None);
        assert_eq!(status(ChargeOutcome::Charged), Some(Status::Paid));
        assert_eq!(status(ChargeOutcome::Voided), Some(Status::Voided));
        assert_eq!(ChargeOutcome::NeverRan.settlement(Attempts::Shared), None);
    }

    #[test]
    fn only_a_tombstone_voids_an_order() {
        let status = |outcome: VoidOutcome| outcome.settlement().map(|settlement| settlement.status);
        assert_eq!(status(VoidOutcome::Voided), Some(Status::Voided));
        assert_eq!(status(VoidOutcome::AlreadyDecided), None);
        assert_eq!(status(VoidOutcome::Unknown), None);
    }

    #[test]
    fn only_not_charged_is_guarded_by_the_fence() {
        assert_eq!(ChargeOutcome::NeverRan.settlement(Attempts::Exclusive).unwrap().guard, Guard::Fence);
        assert_eq!(ChargeOutcome::Charged.settlement(Attempts::Exclusive).unwrap().guard, Guard::Pending);
    }
}
