//! Accounts and the changes of their limits.

use std::str::FromStr;

use money::Money;

use super::{ChangeId, UserId};

/// A customer's account in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The customer.
    pub user: UserId,
    /// The credit limit; its currency is the account's.
    pub limit: Money,
    /// The charged amount. It exceeds the limit if the limit was lowered later.
    pub charged: Money,
    /// The last changes of the limit, newest first.
    pub changes: Vec<LimitChange>,
}

impl Account {
    /// The amount that can still be charged.
    pub fn available(&self) -> Money {
        let currency = self.limit.currency();
        let minor = self.limit.minor().saturating_sub(self.charged.minor());
        Money::from_minor(currency, minor).unwrap_or(Money::zero(currency))
    }
}

/// A change of a credit limit by an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitChange {
    /// The id of the change.
    pub id: ChangeId,
    /// The customer.
    pub user: UserId,
    /// The previous limit; `None` if the change opened the account.
    pub before: Option<Money>,
    /// The new limit; its currency is the account's.
    pub after: Money,
    /// The operator who changed it.
    pub operator: Operator,
    /// The reason, if given.
    pub reason: Option<Reason>,
    /// The time of the change, in milliseconds since the Unix epoch.
    pub changed_ms: i64,
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
    /// The reason for a change: one line of at most 500 characters.
    Reason, 500
}

#[cfg(test)]
mod tests {
    use money::Currency;

    use super::*;

    #[test]
    fn the_available_amount_is_limit_minus_charged_and_never_negative() {
        let usd = |minor| Money::from_minor(Currency::USD, minor).unwrap();
        for (limit, charged, available) in [(10, 3, 7), (10, 10, 0), (3, 10, 0), (0, 0, 0)] {
            let user = UserId::new(1).unwrap();
            let account = Account { user, limit: usd(limit), charged: usd(charged), changes: Vec::new() };
            assert_eq!(account.available(), usd(available));
        }
    }

    #[test]
    fn operator_and_reason_are_one_line_within_their_length() {
        assert_eq!("Zoë".repeat(33).parse::<Operator>().unwrap().as_str().chars().count(), 99);
        assert!("é".repeat(500).parse::<Reason>().is_ok());
        for text in ["", " ", "a\nb", "a\0", &"é".repeat(501)] {
            assert!(text.parse::<Operator>().is_err() && text.parse::<Reason>().is_err(), "{text:?}");
        }
    }
}
