//! What a customer may be charged in one currency, and who changed that.

use std::str::FromStr;

use money::Money;

use super::{ChangeId, UserId};

/// A customer's account in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub user: UserId,
    /// How much may be charged in all; its currency is the account's.
    pub limit: Money,
    /// How much was charged. More than the limit where that was lowered since.
    pub charged: Money,
    /// The last changes of its limit, newest first.
    pub changes: Vec<LimitChange>,
}

impl Account {
    /// How much more can be charged.
    pub fn available(&self) -> Money {
        let currency = self.limit.currency();
        let minor = self.limit.minor().saturating_sub(self.charged.minor());
        Money::from_minor(currency, minor).unwrap_or(Money::zero(currency))
    }
}

/// A change of a credit limit by an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitChange {
    /// Its own id.
    pub id: ChangeId,
    /// Whose account.
    pub user: UserId,
    /// The limit that was; `None` where the change opened the account.
    pub before: Option<Money>,
    /// The limit from then on; its currency is the account's.
    pub after: Money,
    /// Who changed it.
    pub operator: Operator,
    /// Why, where it was said.
    pub reason: Option<Reason>,
    /// When, in milliseconds since the Unix epoch.
    pub changed_ms: i64,
}

/// A text that cannot be kept.
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
    /// The name of who changes an account: a line of at most 100 characters.
    Operator, 100
}
line! {
    /// Why an account is changed: a line of at most 500 characters.
    Reason, 500
}

#[cfg(test)]
mod tests {
    use money::Currency;

    use super::*;

    #[test]
    fn what_is_available_is_what_is_left_of_the_limit_and_never_below_nothing() {
        let usd = |minor| Money::from_minor(Currency::USD, minor).unwrap();
        for (limit, charged, available) in [(10, 3, 7), (10, 10, 0), (3, 10, 0), (0, 0, 0)] {
            let user = UserId::new(1).unwrap();
            let account = Account { user, limit: usd(limit), charged: usd(charged), changes: Vec::new() };
            assert_eq!(account.available(), usd(available));
        }
    }

    #[test]
    fn a_name_is_one_line_that_fits() {
        assert_eq!("Zoë".repeat(33).parse::<Operator>().unwrap().as_str().chars().count(), 99);
        assert!("é".repeat(500).parse::<Reason>().is_ok());
        for text in ["", " ", "a\nb", "a\0", &"é".repeat(501)] {
            assert!(text.parse::<Operator>().is_err() && text.parse::<Reason>().is_err(), "{text:?}");
        }
    }
}
