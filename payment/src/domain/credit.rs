//! The credit limits of new accounts: the operator's table of accepted currencies.

use std::{fmt, str::FromStr};

use money::{AmountError, Currency, Money};

/// The credit limit of a new account per currency. A currency without one is not accepted: it opens no
/// account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditLimits(Vec<Money>);

/// Why a text is not a table of [`CreditLimits`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreditLimitsError {
    /// An entry is not of the form `USD:1000`.
    #[error("{0:?} is not a currency and a limit with a colon between them")]
    Form(String),
    /// The currency of an entry is not one in use of ISO 4217.
    #[error("{0:?} is not the code of a currency in use")]
    Currency(String),
    /// The limit of an entry is not an amount of its currency.
    #[error("the limit of {0} {1}")]
    Amount(Currency, AmountError),
    /// Two entries have the same currency.
    #[error("{0} has two limits")]
    Repeated(Currency),
}

impl CreditLimits {
    /// The table that applies without configuration.
    pub const DEFAULT: &'static str = "USD:1000,EUR:1000,GBP:1000,JPY:150000";

    /// The table with USD alone.
    ///
    /// # Errors
    ///
    /// [`CreditLimitsError::Amount`] if `text` is no amount of dollars.
    pub fn of_dollars(text: &str) -> Result<Self, CreditLimitsError> {
        amount(Currency::USD, text).map(|limit| Self(vec![limit]))
    }

    /// The limit of a new account in `currency`; `None` if the currency is not accepted.
    pub fn limit_in(&self, currency: Currency) -> Option<Money> {
        self.0.iter().copied().find(|limit| limit.currency() == currency)
    }
}

impl FromStr for CreditLimits {
    type Err = CreditLimitsError;

    fn from_str(text: &str) -> Result<Self, CreditLimitsError> {
        let mut limits = Vec::new();
        for entry in text.split(',').map(str::trim) {
            let (code, limit) =
                entry.split_once(':').ok_or_else(|| CreditLimitsError::Form(entry.to_owned()))?;
            let currency =
                Currency::from_code(code).map_err(|_| CreditLimitsError::Currency(code.to_owned()))?;
            let limit = amount(currency, limit)?;
            if limits.iter().any(|other: &Money| other.currency() == currency) {
                return Err(CreditLimitsError::Repeated(currency));
            }
            limits.push(limit);
        }
        Ok(Self(limits))
    }
}

fn amount(currency: Currency, text: &str) -> Result<Money, CreditLimitsError> {
    Money::parse(currency, text).map_err(|error| CreditLimitsError::Amount(currency, error))
}

impl fmt::Display for CreditLimits {
    /// Writes the table in the form that [`FromStr`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, limit) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}:{limit}", limit.currency())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(text: &str) -> CreditLimits {
        text.parse().unwrap()
    }

    fn minor(limits: &CreditLimits, code: &str) -> Option<i64> {
        limits.limit_in(Currency::from_stored(code).unwrap()).map(Money::minor)
    }

    #[test]
    fn a_limit_counts_major_units_of_its_currency() {
        let default = limits(CreditLimits::DEFAULT);
        assert_eq!(minor(&default, "USD"), Some(100_000));
        assert_eq!(minor(&default, "EUR"), Some(100_000));
        assert_eq!(minor(&default, "GBP"), Some(100_000));
        assert_eq!(minor(&default, "JPY"), Some(150_000));
        let other = limits("KWD:1000.001, CHF:0,ISK:9007199254740991");
        assert_eq!(minor(&other, "KWD"), Some(1_000_001));
        assert_eq!(minor(&other, "CHF"), Some(0));
        assert_eq!(minor(&other, "ISK"), Some(Money::MINOR_MAX));
        assert_eq!(other.to_string(), "KWD:1000.001,CHF:0.00,ISK:9007199254740991");
        assert_eq!(limits(&other.to_string()), other);
    }

    #[test]
    fn every_other_currency_is_not_accepted() {
        let accepted = ["USD", "EUR", "GBP", "JPY"];
        let default = limits(CreditLimits::DEFAULT);
        for currency in Currency::all() {
            assert_eq!(default.limit_in(currency).is_some(), accepted.contains(&currency.code()));
        }
        for code in ["BGN", "HRK", "CLF", "USN"] {
            assert_eq!(minor(&default, code), None, "{code}");
        }
    }

    #[test]
    fn a_plain_number_is_a_limit_in_dollars() {
        assert_eq!(CreditLimits::of_dollars("1000.5").unwrap(), limits("USD:1000.50"));
        assert!(CreditLimits::of_dollars("1000.005").is_err());
        assert!(CreditLimits::of_dollars("USD:5").is_err());
    }

    #[test]
    fn invalid_tables_are_rejected_with_the_reason() {
        for (text, reason) in [
            ("", "\"\" is not a currency and a limit with a colon between them"),
            ("1000", "\"1000\" is not a currency and a limit with a colon between them"),
            ("USD:1,", "\"\" is not a currency and a limit with a colon between them"),
            ("USD=1", "\"USD=1\" is not a currency and a limit with a colon between them"),
            ("usd:1", "\"usd\" is not the code of a currency in use"),
            ("USD :1", "\"USD \" is not the code of a currency in use"),
            ("BGN:1", "\"BGN\" is not the code of a currency in use"),
            ("CLF:1", "\"CLF\" is not the code of a currency in use"),
            ("USD:-1", "the limit of USD must be 0 or more"),
            ("USD:", "the limit of USD must be a decimal number"),
            ("USD:1:2", "the limit of USD must be a decimal number"),
            ("USD:1,JPY:0.5", "the limit of JPY must have no more than 0 decimals, as JPY has"),
            ("USD:1e99", "the limit of USD must be below 2^53 minor units"),
            ("USD:1,EUR:2,USD:1", "USD has two limits"),
        ] {
            let error = text.parse::<CreditLimits>().unwrap_err();
            assert_eq!(error.to_string(), reason, "{text}");
        }
    }
}
