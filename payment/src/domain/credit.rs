//! The credit limit of new accounts.

use std::str::FromStr;

use money::{Currency, Money};

/// Decimals of a limit: those of CLF, the currency with the most.
const DECIMALS: u32 = 4;
const FINEST_CURRENCY: &str = "CLF";

/// The credit limit of new accounts, in major units of the account's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreditLimit {
    ten_thousandths: i64,
}

/// A text that is not a [`CreditLimit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {}", CreditLimit::ACCEPTED)]
pub struct CreditLimitError;

impl Default for CreditLimit {
    /// 1000 major units.
    fn default() -> Self {
        Self { ten_thousandths: 1_000 * 10_i64.pow(DECIMALS) }
    }
}

impl CreditLimit {
    /// The accepted texts, to complete the sentence "accepted: …".
    pub const ACCEPTED: &'static str =
        "a decimal number from 0 to 900719925474 with at most 4 decimals, 1000 for instance";

    /// The limit of an account in `currency`, rounded down to the minor unit.
    pub fn in_currency(self, currency: Currency) -> Money {
        let dropped = DECIMALS.saturating_sub(currency.exponent());
        let minor = self.ten_thousandths / 10_i64.pow(dropped);
        Money::from_minor(currency, minor).unwrap_or(Money::zero(currency))
    }
}

impl FromStr for CreditLimit {
    type Err = CreditLimitError;

    fn from_str(text: &str) -> Result<Self, CreditLimitError> {
        let finest = Currency::from_stored(FINEST_CURRENCY).map_err(|_| CreditLimitError)?;
        let limit = Money::parse(finest, text).map_err(|_| CreditLimitError)?;
        Ok(Self { ten_thousandths: limit.minor() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minor(limit: &str, code: &str) -> i64 {
        let limit: CreditLimit = limit.parse().unwrap();
        limit.in_currency(Currency::from_stored(code).unwrap()).minor()
    }

    #[test]
    fn a_limit_counts_major_units_of_the_account_currency() {
        assert_eq!(CreditLimit::default(), "1000".parse().unwrap());
        assert_eq!(minor("1000", "USD"), 100_000);
        assert_eq!(minor("1000", "JPY"), 1_000);
        assert_eq!(minor("1000", "KWD"), 1_000_000);
        assert_eq!(minor("1000.5", "CLF"), 10_005_000);
        assert_eq!(minor("0", "USD"), 0);
        assert_eq!(minor("900719925474", "CLF"), 9_007_199_254_740_000);
    }

    #[test]
    fn a_fraction_of_a_minor_unit_is_rounded_down() {
        assert_eq!(minor("10.999", "USD"), 1_099);
        assert_eq!(minor("10.999", "JPY"), 10);
    }

    #[test]
    fn invalid_texts_are_rejected() {
        for text in ["", "-1", "1e400", "1.00001", "NaN", "1,000", "1000 USD", "900719925475"] {
            assert_eq!(text.parse::<CreditLimit>(), Err(CreditLimitError), "{text}");
        }
    }
}
