//! What is recorded for an order, once and for good.

use money::Money;

use super::{BillId, OrderId, PaymentId, UserId};

/// What became of an order's charge. There is at most one per order, and it never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment {
    /// Its own id.
    pub id: PaymentId,
    /// The order that it answers for.
    pub order: OrderId,
    /// What became of it.
    pub outcome: Outcome,
    /// When it was recorded, in milliseconds since the Unix epoch.
    pub created_ms: i64,
}

/// What can become of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The customer's account was debited.
    Charged {
        /// Whose account.
        user: UserId,
        /// By how much.
        total: Money,
        /// The bill it is on.
        bill: BillId,
    },
    /// The account was left as it was.
    Declined {
        /// Whose account.
        user: UserId,
        /// How much was asked for.
        total: Money,
        /// Why it was refused.
        reason: DeclineReason,
    },
    /// A tombstone: the order was given up before any charge.
    Voided,
}

impl Outcome {
    /// The status alone.
    pub fn status(&self) -> Status {
        match self {
            Self::Charged { .. } => Status::Charged,
            Self::Declined { .. } => Status::Declined,
            Self::Voided => Status::Voided,
        }
    }
}

/// The kinds of [`Outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// [`Outcome::Charged`]
    Charged,
    /// [`Outcome::Declined`]
    Declined,
    /// [`Outcome::Voided`]
    Voided,
}

impl Status {
    /// The name that it is stored and told by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Charged => "CHARGED",
            Self::Declined => "DECLINED",
            Self::Voided => "VOIDED",
        }
    }

    /// The status that has this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Charged, Self::Declined, Self::Voided].into_iter().find(|status| status.name() == name)
    }
}

/// Why a charge is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeclineReason {
    /// What has been charged and the new charge would together exceed the account's credit limit.
    InsufficientBalance,
}

impl DeclineReason {
    /// The name that it is stored and told by.
    pub fn name(self) -> &'static str {
        match self {
            Self::InsufficientBalance => "INSUFFICIENT_BALANCE",
        }
    }

    /// The reason that has this name.
    pub fn from_name(name: &str) -> Option<Self> {
        (name == Self::InsufficientBalance.name()).then_some(Self::InsufficientBalance)
    }

    /// In words, for the customer.
    pub fn description(self) -> &'static str {
        match self {
            Self::InsufficientBalance => "insufficient balance",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_read_back_is_the_same_status() {
        for status in [Status::Charged, Status::Declined, Status::Voided] {
            assert_eq!(Status::from_name(status.name()), Some(status));
        }
        assert_eq!(Status::from_name("charged"), None);
        let reason = DeclineReason::InsufficientBalance;
        assert_eq!(DeclineReason::from_name(reason.name()), Some(reason));
        assert_eq!(DeclineReason::from_name(""), None);
    }
}
