//! Amounts in whole minor units, from 0 to 2^53 − 1.

use std::fmt;

use crate::{Currency, decimal};

/// An amount of money, 0 or more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Money {
    currency: Currency,
    minor: i64,
}

/// Why a value is not a valid amount. The messages are shown to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// The text or float is not a number.
    #[error("must be a decimal number")]
    NotANumber,
    /// The amount is below 0.
    #[error("must be 0 or more")]
    Negative,
    /// The amount has a fraction of a minor unit.
    #[error("must have no more than {} decimals, as {currency} has", currency.exponent())]
    TooPrecise {
        /// The currency that has fewer decimals.
        currency: Currency,
    },
    /// The amount is 2^53 minor units or more.
    #[error("must be below 2^53 minor units")]
    TooLarge,
    /// Two amounts are of different currencies.
    #[error("must be in the currency of the order")]
    CurrencyMismatch,
}

impl Money {
    /// The largest amount, in minor units: 2^53 − 1, the largest integer that a double represents exactly.
    pub const MINOR_MAX: i64 = (1 << 53) - 1;

    /// Creates an amount of `minor` minor units.
    ///
    /// # Errors
    ///
    /// [`AmountError::Negative`], [`AmountError::TooLarge`].
    pub fn from_minor(currency: Currency, minor: i64) -> Result<Self, AmountError> {
        match minor {
            ..0 => Err(AmountError::Negative),
            0..=Self::MINOR_MAX => Ok(Self { currency, minor }),
            _ => Err(AmountError::TooLarge),
        }
    }

    /// The amount 0.
    pub fn zero(currency: Currency) -> Self {
        Self { currency, minor: 0 }
    }

    /// Parses an amount in major units: a number in the grammar of JSON, with optional sign and exponent.
    /// Trailing zeros do not count as decimals.
    ///
    /// # Errors
    ///
    /// Any [`AmountError`] but [`CurrencyMismatch`](AmountError::CurrencyMismatch).
    pub fn parse(currency: Currency, text: &str) -> Result<Self, AmountError> {
        let decimal = decimal::parse(text).ok_or(AmountError::NotANumber)?;
        if decimal.digits.is_empty() {
            return Ok(Self::zero(currency));
        }
        if decimal.negative {
            return Err(AmountError::Negative);
        }
        // The amount is digits × 10^shift minor units.
        let shift = decimal.scale.saturating_add(currency.exponent().into());
        let shift = u32::try_from(shift).map_err(|_| match decimal.scale {
            ..0 => AmountError::TooPrecise { currency },
            0.. => AmountError::TooLarge,
        })?;
        let factors = 10_i64.checked_pow(shift).zip(decimal.digits.parse().ok());
        let minor = factors.and_then(|(power, digits): (i64, i64)| digits.checked_mul(power));
        Self::from_minor(currency, minor.ok_or(AmountError::TooLarge)?)
    }

    /// Converts from `google.type.Money`: whole major units and billionths of one.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse); [`AmountError::NotANumber`] if the two have different signs or the
    /// billionths reach a whole unit.
    pub fn from_units_nanos(currency: Currency, units: i64, nanos: i32) -> Result<Self, AmountError> {
        const NANOS_PER_UNIT: u32 = 1_000_000_000;
        if nanos.unsigned_abs() >= NANOS_PER_UNIT || (units > 0 && nanos < 0) || (units < 0 && nanos > 0) {
            return Err(AmountError::NotANumber);
        }
        let sign = if units < 0 || nanos < 0 { "-" } else { "" };
        Self::parse(currency, &format!("{sign}{}.{:09}", units.unsigned_abs(), nanos.unsigned_abs()))
    }

    /// Converts to `google.type.Money`: whole major units and billionths of one.
    pub fn to_units_nanos(self) -> (i64, i32) {
        let unit = self.minor_per_major();
        let billionths = self.minor % unit * (1_000_000_000 / unit);
        // Below 10^9, so it fits an i32.
        (self.minor / unit, i32::try_from(billionths).unwrap_or(i32::MAX))
    }

    /// The amount in minor units.
    pub fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// Whether the amount is 0.
    pub fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// The sum of two amounts of one currency.
    ///
    /// # Errors
    ///
    /// [`AmountError::CurrencyMismatch`], [`AmountError::TooLarge`].
    pub fn checked_add(self, other: Self) -> Result<Self, AmountError> {
        if self.currency != other.currency {
            return Err(AmountError::CurrencyMismatch);
        }
        Self::from_minor(self.currency, self.minor.checked_add(other.minor).ok_or(AmountError::TooLarge)?)
    }

    /// The price of `quantity` pieces at this unit price.
    ///
    /// # Errors
    ///
    /// [`AmountError::TooLarge`].
    pub fn checked_mul(self, quantity: u32) -> Result<Self, AmountError> {
        Self::from_minor(self.currency, self.minor.checked_mul(quantity.into()).ok_or(AmountError::TooLarge)?)
    }

    fn minor_per_major(self) -> i64 {
        10_i64.pow(self.currency.exponent())
    }
}

impl fmt::Display for Money {
    /// Writes the amount in major units with all decimals of the currency, without its code: `0.12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, width) = (self.minor_per_major(), self.currency.exponent() as usize);
        match width {
            0 => write!(f, "{}", self.minor),
            _ => write!(f, "{}.{:0width$}", self.minor / unit, self.minor % unit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(minor: i64) -> Money {
        Money::from_minor(Currency::USD, minor).unwrap()
    }

    #[test]
    fn sums_and_products_are_limited_to_the_largest_amount() {
        assert_eq!(usd(Money::MINOR_MAX).checked_add(usd(1)), Err(AmountError::TooLarge));
        assert_eq!(usd(Money::MINOR_MAX - 1).checked_add(usd(1)), Ok(usd(Money::MINOR_MAX)));
        assert_eq!(usd(i64::from(u32::MAX)).checked_mul(u32::MAX), Err(AmountError::TooLarge));
        assert_eq!(usd(Money::MINOR_MAX).checked_mul(u32::MAX), Err(AmountError::TooLarge));
        assert_eq!(usd(12).checked_mul(3), Ok(usd(36)));
        let yen = Money::from_minor(Currency::from_code("JPY").unwrap(), 1).unwrap();
        assert_eq!(usd(1).checked_add(yen), Err(AmountError::CurrencyMismatch));
    }

    #[test]
    fn units_and_nanos_round_trip() {
        for minor in [0, 1, 12, 99, 100, 12_345, Money::MINOR_MAX] {
            let (units, nanos) = usd(minor).to_units_nanos();
            assert_eq!(Money::from_units_nanos(Currency::USD, units, nanos), Ok(usd(minor)));
        }
        assert_eq!(usd(12).to_units_nanos(), (0, 120_000_000));
    }

    #[test]
    fn invalid_units_and_nanos_are_rejected() {
        let convert = |units, nanos| Money::from_units_nanos(Currency::USD, units, nanos);
        assert_eq!(convert(0, 1_000_000_000), Err(AmountError::NotANumber));
        assert_eq!(convert(1, -1), Err(AmountError::NotANumber));
        assert_eq!(convert(-1, 0), Err(AmountError::Negative));
        assert_eq!(convert(0, -10_000_000), Err(AmountError::Negative));
        assert_eq!(convert(0, 1), Err(AmountError::TooPrecise { currency: Currency::USD }));
        assert_eq!(convert(i64::MAX, 999_999_999), Err(AmountError::TooPrecise { currency: Currency::USD }));
        assert_eq!(convert(i64::MAX, 0), Err(AmountError::TooLarge));
        assert_eq!(convert(i64::MIN, 0), Err(AmountError::Negative));
    }

    #[test]
    fn display_writes_all_decimals_of_the_currency() {
        let show =
            |code, minor| Money::from_minor(Currency::from_code(code).unwrap(), minor).unwrap().to_string();
        assert_eq!(show("USD", 12), "0.12");
        assert_eq!(show("USD", 3_200), "32.00");
        assert_eq!(show("JPY", 12), "12");
        assert_eq!(show("KWD", 1_001), "1.001");
    }
}
