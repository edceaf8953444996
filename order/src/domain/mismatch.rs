//! Orders that Payment knows with another amount, currency or user, and how operators resolve them.

use std::{fmt, str::FromStr};

use money::Money;

use super::{ChargeRequest, OrderId, UserId};

/// An order that Payment knows with another amount, currency or user. Payment never charges it, since its
/// answer for an order id never changes; the order stays PENDING until an operator resolves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The order.
    pub order: OrderId,
    /// When Order first found it, in milliseconds since the Unix epoch, by the clock of the store.
    pub found_ms: i64,
    /// How an operator resolved it, if one has.
    pub resolution: Option<Resolution>,
}

/// How an operator resolved a mismatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// When, in milliseconds since the Unix epoch, by the clock of the store.
    pub resolved_ms: i64,
    /// The operator.
    pub operator: Operator,
    /// Why.
    pub reason: Reason,
    /// The status of the order before.
    pub status_before: String,
    /// The status of the order since then.
    pub status_after: String,
    /// What Payment had recorded for the order.
    pub payment: String,
}

/// What Payment has recorded for an order. It never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordedPayment {
    /// A charge that moved money, or was declined.
    Charge {
        /// Whether it was declined.
        declined: bool,
        /// The customer; `None` if this program cannot read it.
        user: Option<UserId>,
        /// The amount; `None` if this program cannot read it.
        total: Option<Money>,
    },
    /// A tombstone.
    Voided,
}

impl RecordedPayment {
    /// Whether Payment answers a request for this charge with MISMATCH, for ever.
    pub fn is_mismatch(&self, charge: &ChargeRequest) -> bool {
        match self {
            Self::Charge { user, total, .. } => (*user, *total) != (Some(charge.user), Some(charge.total)),
            Self::Voided => false,
        }
    }
}

impl fmt::Display for RecordedPayment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Charge { declined, user, total } = self else { return f.write_str("VOIDED") };
        f.write_str(if *declined { "DECLINED" } else { "CHARGED" })?;
        match total {
            Some(total) => write!(f, ", {total} {}", total.currency())?,
            None => f.write_str(", an unreadable amount")?,
        }
        match user {
            Some(user) => write!(f, " of user {}", user.get()),
            None => f.write_str(" of an unreadable user"),
        }
    }
}

/// A text that is empty, too long, or not one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("accepted: one line of 1 to {max} characters that is not blank")]
pub struct LineError {
    max: usize,
}

fn line(text: &str, max: usize) -> Result<String, LineError> {
    let fits = !text.trim().is_empty() && text.chars().count() <= max;
    if fits && !text.contains(char::is_control) { Ok(text.to_owned()) } else { Err(LineError { max }) }
}

macro_rules! line {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = LineError;

            fn from_str(text: &str) -> Result<Self, LineError> {
                line(text, $max).map(Self)
            }
        }
    };
}

line! {
    /// The name of an operator: one line of at most 100 characters.
    Operator, 100
}
line! {
    /// The reason of a resolution: one line of at most 500 characters.
    Reason, 500
}

#[cfg(test)]
mod tests {
    use money::Currency;

    use super::*;

    #[test]
    fn only_a_payment_of_another_amount_currency_or_user_is_a_mismatch() {
        let usd = |minor| Money::from_minor(Currency::USD, minor).unwrap();
        let (order, user) = (OrderId::new(1).unwrap(), UserId::new(7).unwrap());
        let charge = ChargeRequest { order, user, total: usd(12) };
        let euros = Money::from_minor(Currency::from_code("EUR").unwrap(), 12).unwrap();
        for declined in [false, true] {
            let recorded = |user, total| RecordedPayment::Charge { declined, user, total };
            assert!(!recorded(Some(user), Some(usd(12))).is_mismatch(&charge));
            for other in [
                recorded(Some(user), Some(usd(13))),
                recorded(Some(user), Some(euros)),
                recorded(UserId::new(8), Some(usd(12))),
                recorded(Some(user), None),
                recorded(None, Some(usd(12))),
            ] {
                assert!(other.is_mismatch(&charge), "{other}");
            }
        }
        assert!(!RecordedPayment::Voided.is_mismatch(&charge));
    }

    #[test]
    fn recorded_payment_is_written_in_words() {
        let total = Some(Money::from_minor(Currency::USD, 13).unwrap());
        let charged = RecordedPayment::Charge { declined: false, user: UserId::new(8), total };
        assert_eq!(charged.to_string(), "CHARGED, 0.13 USD of user 8");
        let declined = RecordedPayment::Charge { declined: true, user: None, total: None };
        assert_eq!(declined.to_string(), "DECLINED, an unreadable amount of an unreadable user");
    }

    #[test]
    fn operator_and_reason_are_one_line_within_their_length() {
        assert!("é".repeat(100).parse::<Operator>().is_ok() && "é".repeat(500).parse::<Reason>().is_ok());
        for text in ["", " ", "a\nb", "a\0", &"é".repeat(501)] {
            assert!(text.parse::<Operator>().is_err() && text.parse::<Reason>().is_err(), "{text:?}");
        }
    }
}
