//! Conversions for the float fields of the old contract (`proto/baseline`).

use crate::{AmountError, Currency, Money};

/// How to treat a float with more decimals than the currency has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Reject it. The float is read as its shortest decimal: 0.12f32 is exactly 0.12.
    Exact,
    /// Round its exact value half-even to the minor unit. For sums that were computed in floats.
    HalfEven,
}

impl Money {
    /// Converts a float in major units.
    ///
    /// # Errors
    ///
    /// [`AmountError::NotANumber`] for NaN and infinities, else as [`parse`](Self::parse).
    pub fn from_float(currency: Currency, major: f32, rounding: Rounding) -> Result<Self, AmountError> {
        if !major.is_finite() {
            return Err(AmountError::NotANumber);
        }
        match rounding {
            Rounding::Exact => Self::parse(currency, &major.to_string()),
            Rounding::HalfEven => {
                // std formats the exact value of a float and rounds ties to even.
                let decimals = currency.exponent() as usize;
                Self::parse(currency, &format!("{major:.decimals$}"))
            }
        }
    }

    /// The nearest float to the amount in major units, for clients of the old contract.
    pub fn to_float(self) -> f32 {
        self.to_string().parse().unwrap_or(f32::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minor(major: f32, rounding: Rounding) -> Result<i64, AmountError> {
        Money::from_float(Currency::USD, major, rounding).map(Money::minor)
    }

    #[test]
    fn exact_reads_the_shortest_decimal() {
        for (major, want) in [(0.12, 12), (32.0, 3_200), (0.0, 0), (-0.0, 0), (99_999.99, 9_999_999)] {
            assert_eq!(minor(major, Rounding::Exact), Ok(want), "{major}");
        }
    }

    #[test]
    fn half_even_rounds_the_exact_value() {
        // 1.000_000_1 is the float32 sum of ten times 0.1.
        for (major, want) in [(1.000_000_1, 100), (0.125, 12), (0.375, 38)] {
            assert_eq!(minor(major, Rounding::HalfEven), Ok(want), "{major}");
        }
        let rounded = |code, major| {
            let currency = Currency::from_code(code).unwrap();
            Money::from_float(currency, major, Rounding::HalfEven).map(Money::minor)
        };
        assert_eq!((rounded("JPY", 0.5), rounded("JPY", 1.5), rounded("JPY", 2.5)), (Ok(0), Ok(2), Ok(2)));
        assert_eq!((rounded("KWD", 0.0625), rounded("KWD", 0.1875)), (Ok(62), Ok(188)));
        assert_eq!(rounded("USD", -0.001), Ok(0));
    }

    #[test]
    fn floats_that_are_not_amounts_are_rejected() {
        assert_eq!(minor(0.001, Rounding::Exact), Err(AmountError::TooPrecise { currency: Currency::USD }));
        assert_eq!(minor(-0.01, Rounding::Exact), Err(AmountError::Negative));
        assert_eq!(minor(f32::MIN, Rounding::HalfEven), Err(AmountError::Negative));
        for rounding in [Rounding::Exact, Rounding::HalfEven] {
            assert_eq!(minor(f32::MAX, rounding), Err(AmountError::TooLarge));
            for major in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                assert_eq!(minor(major, rounding), Err(AmountError::NotANumber));
            }
        }
    }

    #[test]
    fn an_amount_converts_to_the_nearest_float() {
        assert_eq!(Money::from_minor(Currency::USD, 12).map(Money::to_float), Ok(0.12));
    }
}
