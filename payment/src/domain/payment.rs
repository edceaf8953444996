//! Payments: the immutable outcome of an order's charge.

use money::Money;

use super::{BillId, OrderId, PaymentId, UserId};

/// The outcome of an order's charge. An order has at most one payment, which never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment {
    /// The id of the payment.
    pub id: PaymentId,
    /// The order.
    pub order: OrderId,
    /// The outcome.
    pub outcome: Outcome,
    /// The time of recording, in milliseconds since the Unix epoch.
    pub created_ms: i64,
}

/// The possible outcomes of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The customer's account was debited.
    Charged {
        /// The customer.
        user: UserId,
        /// The charged amount.
        total: Money,
        /// The bill of the charge.
        bill: BillId,
    },
    /// The account was not debited.
    Declined {
        /// The customer.
        user: UserId,
        /// The requested amount.
        total: Money,
        /// The reason.
        reason: DeclineReason,
    },
    /// A tombstone: the order was voided before any charge.
    Voided,
    /// A status or a currency that this program does not know; a newer one has written it. Never written.
    Unspecified,
}

impl Outcome {
    /// The status.
    pub fn status(&self) -> Status {
        match self {
            Self::Charged { .. } => Status::Charged,
            Self::Declined { .. } => Status::Declined,
            Self::Voided => Status::Voided,
            Self::Unspecified => Status::Unspecified,
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
    /// [`Outcome::Unspecified`]
    Unspecified,
}

impl Status {
    /// The name in the database and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Charged => "CHARGED",
            Self::Declined => "DECLINED",
            Self::Voided => "VOIDED",
            Self::Unspecified => "UNSPECIFIED",
        }
    }

    /// The status with this name, if it is one that is written.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Charged, Self::Declined, Self::Voided].into_iter().find(|status| status.name() == name)
    }
}

/// Why a charge is declined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeclineReason {
    /// The charge would exceed the account's credit limit.
    InsufficientBalance,
    /// The operator accepts no payments in the currency, and the customer has no account in it.
    CurrencyNotAccepted,
    /// A reason that this program does not know; a newer one has written it. Never written.
    Unspecified,
}

impl DeclineReason {
    /// The name in the database and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::InsufficientBalance => "INSUFFICIENT_BALANCE",
            Self::CurrencyNotAccepted => "CURRENCY_NOT_ACCEPTED",
            Self::Unspecified => "UNSPECIFIED",
        }
    }

    /// The reason with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::InsufficientBalance, Self::CurrencyNotAccepted]
            .into_iter()
            .find(|reason| reason.name() == name)
    }

    /// The description for clients.
    pub fn description(self) -> &'static str {
        match self {
            Self::InsufficientBalance => "insufficient balance",
            Self::CurrencyNotAccepted => "currency not accepted",
            Self::Unspecified => "declined",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_reason_round_trip_by_name() {
        for status in [Status::Charged, Status::Declined, Status::Voided] {
            assert_eq!(Status::from_name(status.name()), Some(status));
        }
        assert_eq!(Status::from_name("charged"), None);
        for reason in [DeclineReason::InsufficientBalance, DeclineReason::CurrencyNotAccepted] {
            assert_eq!(DeclineReason::from_name(reason.name()), Some(reason));
        }
        assert_eq!(DeclineReason::from_name(""), None);
    }
}
