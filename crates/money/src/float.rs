//! The two floats of the old contract: the only place where an amount meets one.

use rust_decimal::{Decimal, RoundingStrategy};

use crate::{AmountError, Currency, Money};

/// What to do with more decimals than the currency has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Refuse them; the float is read as its shortest decimal, so that 0.12 is 0.12 exactly.
    Exact,
    /// Round the float's exact value half-even to the minor unit: for sums that were computed in floats.
    HalfEven,
}

impl Money {
    /// The amount that a float of the old contract gives in major units.
    ///
    /// # Errors
    ///
    /// [`AmountError::NotANumber`] for NaN and infinities, else as [`parse`](Self::parse).
    pub fn from_float(currency: Currency, major: f32, excess: Rounding) -> Result<Self, AmountError> {
        if !major.is_finite() {
            return Err(AmountError::NotANumber);
        }
        match excess {
            Rounding::Exact => Self::parse(currency, &major.to_string()),
            Rounding::HalfEven => {
                // What a Decimal cannot hold is beyond 2^96.
                let out =
                    if major.is_sign_negative() { AmountError::Negative } else { AmountError::TooLarge };
                let exact = Decimal::from_f32_retain(major).ok_or(out)?;
                let rounded =
                    exact.round_dp_with_strategy(currency.exponent(), RoundingStrategy::MidpointNearestEven);
                Self::parse(currency, &rounded.to_string())
            }
        }
    }

    /// The amount in major units as the nearest float: what clients of the old contract are shown.
    pub fn to_float(self) -> f32 {
        self.to_string().parse().unwrap_or(f32::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusing(major: f32) -> Result<i64, AmountError> {
        Money::from_float(Currency::USD, major, Rounding::Exact).map(Money::minor)
    }

    fn rounding(major: f32) -> Result<i64, AmountError> {
        Money::from_float(Currency::USD, major, Rounding::HalfEven).map(Money::minor)
    }

    #[test]
    fn a_float_is_read_as_its_shortest_decimal() {
        assert_eq!(refusing(0.12), Ok(12));
        assert_eq!(refusing(32.0), Ok(3_200));
        assert_eq!(refusing(0.0), Ok(0));
        assert_eq!(refusing(-0.0), Ok(0));
        assert_eq!(refusing(99_999.99), Ok(9_999_999));
    }

    #[test]
    fn a_float_that_is_no_amount_says_why() {
        assert_eq!(refusing(0.001), Err(AmountError::TooPrecise { currency: Currency::USD }));
        assert_eq!(refusing(-0.01), Err(AmountError::Negative));
        assert_eq!(refusing(f32::MAX), Err(AmountError::TooLarge));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(refusing(bad), Err(AmountError::NotANumber));
            assert_eq!(rounding(bad), Err(AmountError::NotANumber));
        }
    }

    #[test]
    fn a_float_sum_is_rounded_half_even() {
        // The float32 sum of ten times 0.1 is slightly off; the customer owes one dollar.
        assert_eq!(rounding(1.000_000_1), Ok(100));
        assert_eq!(rounding(0.125), Ok(12));
        assert_eq!(rounding(0.375), Ok(38));
        assert_eq!(rounding(f32::MAX), Err(AmountError::TooLarge));
        assert_eq!(rounding(f32::MIN), Err(AmountError::Negative));
    }

    #[test]
    fn an_amount_becomes_the_nearest_float() {
        assert_eq!(Money::from_minor(Currency::USD, 12).map(Money::to_float), Ok(0.12));
    }
}
