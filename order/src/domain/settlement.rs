//! From what Payment said to what is recorded.

use super::Status;

/// Why Payment refused a charge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decline {
    /// Payment's word for it, `INSUFFICIENT_BALANCE` for instance.
    pub reason: String,
    /// Payment's sentences, one a line.
    pub description: String,
}

/// What is known of an attempt to charge an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeOutcome {
    /// The customer was charged, now or before.
    Charged,
    /// Payment refused, for good.
    Declined(Decline),
    /// Payment holds a tombstone for this order: it was given up before.
    Voided,
    /// Payment knows the order with another amount, currency or user. A human must look.
    Mismatch,
    /// The call provably never ran.
    NeverRan,
    /// Anything else: it may have run.
    Unknown,
}

/// What is known of an attempt to give an order up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoidOutcome {
    /// Payment holds a tombstone: the order will never be charged.
    Voided,
    /// Payment charged or declined the order before; asking for the charge again tells which.
    Answered,
    /// Anything else: the tombstone may be there.
    Unknown,
}

impl VoidOutcome {
    /// How the order is settled, or `None` where it must stay PENDING.
    pub fn settlement(self) -> Option<Settlement> {
        let voided = Settlement { status: Status::Voided, decline: None, guard: Guard::Pending };
        (self == Self::Voided).then_some(voided)
    }
}

/// Who set out to charge an order since it became PENDING.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempts {
    /// The driver that asks, and nobody else; every attempt ended as the one it asks of.
    AllOwn,
    /// Another driver as well, or perhaps, whose call may have run.
    OthersToo,
}

/// What a PENDING order becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The new status.
    pub status: Status,
    /// Why Payment refused, where it did.
    pub decline: Option<Decline>,
    /// Under which condition the change may be made.
    pub guard: Guard,
}

/// The condition of the compare-and-set that settles an order, besides its being PENDING.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// None: Payment's answer for an order never changes, so it is right whoever heard it.
    Pending,
    /// Nobody else has taken the order in hand since: another driver's call may have run.
    Fence,
}

impl ChargeOutcome {
    /// How the order is settled, or `None` where it must stay PENDING.
    ///
    /// That this attempt never ran makes an order NOT_CHARGED only where nobody else made one.
    pub fn settlement(self, attempts: Attempts) -> Option<Settlement> {
        let (status, decline, guard) = match (self, attempts) {
            (Self::Charged, _) => (Status::Paid, None, Guard::Pending),
            (Self::Declined(decline), _) => (Status::Declined, Some(decline), Guard::Pending),
            (Self::Voided, _) => (Status::Voided, None, Guard::Pending),
            (Self::NeverRan, Attempts::AllOwn) => (Status::NotCharged, None, Guard::Fence),
            (Self::NeverRan, Attempts::OthersToo) | (Self::Mismatch | Self::Unknown, _) => return None,
        };
        Some(Settlement { status, decline, guard })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_call_that_provably_never_ran_becomes_not_charged() {
        let status =
            |outcome: ChargeOutcome| outcome.settlement(Attempts::AllOwn).map(|settlement| settlement.status);
        assert_eq!(status(ChargeOutcome::NeverRan), Some(Status::NotCharged));
        assert_eq!(status(ChargeOutcome::Unknown), None);
        assert_eq!(status(ChargeOutcome::Mismatch), None);
        assert_eq!(status(ChargeOutcome::Charged), Some(Status::Paid));
        assert_eq!(status(ChargeOutcome::Voided), Some(Status::Voided));
        assert_eq!(ChargeOutcome::NeverRan.settlement(Attempts::OthersToo), None);
    }

    #[test]
    fn only_a_tombstone_gives_an_order_up() {
        let status = |outcome: VoidOutcome| outcome.settlement().map(|settlement| settlement.status);
        assert_eq!(status(VoidOutcome::Voided), Some(Status::Voided));
        assert_eq!(status(VoidOutcome::Answered), None);
        assert_eq!(status(VoidOutcome::Unknown), None);
    }

    #[test]
    fn not_charged_is_recorded_only_by_who_holds_the_fence() {
        assert_eq!(ChargeOutcome::NeverRan.settlement(Attempts::AllOwn).unwrap().guard, Guard::Fence);
        assert_eq!(ChargeOutcome::Charged.settlement(Attempts::AllOwn).unwrap().guard, Guard::Pending);
    }
}
