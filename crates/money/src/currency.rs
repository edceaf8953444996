//! Currencies of ISO 4217.

use std::fmt;

/// A currency of ISO 4217 that has a minor unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency {
    iso: iso_currency::Currency,
    exponent: u32,
}

/// A code that ISO 4217 does not contain, or that has no minor unit (gold, for instance).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an ISO 4217 currency code in capitals, USD for instance")]
pub struct UnknownCurrency;

impl Currency {
    /// The US dollar, the default currency of orders.
    pub const USD: Self = Self { iso: iso_currency::Currency::USD, exponent: 2 };

    /// The currency with this code, in capitals.
    ///
    /// # Errors
    ///
    /// [`UnknownCurrency`] for any other text.
    pub fn from_code(code: &str) -> Result<Self, UnknownCurrency> {
        // iso_currency also accepts lower case.
        let iso = iso_currency::Currency::from_code(code)
            .filter(|iso| iso.code() == code)
            .ok_or(UnknownCurrency)?;
        let exponent = iso.exponent().ok_or(UnknownCurrency)?;
        Ok(Self { iso, exponent: exponent.into() })
    }

    /// The code: three capitals.
    pub fn code(self) -> &'static str {
        self.iso.code()
    }

    /// The number of decimals of a major unit: 2 for USD, 0 for JPY, 3 for KWD.
    pub fn exponent(self) -> u32 {
        self.exponent
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_follow_iso_4217() {
        let exponent = |code| Currency::from_code(code).map(Currency::exponent);
        assert_eq!(exponent("USD"), Ok(2));
        assert_eq!(exponent("JPY"), Ok(0));
        assert_eq!(exponent("KWD"), Ok(3));
        assert_eq!(exponent("CLF"), Ok(4));
        assert_eq!(Currency::from_code("USD"), Ok(Currency::USD));
    }

    #[test]
    fn unknown_codes_and_currencies_without_a_minor_unit_are_rejected() {
        for code in ["", "usd", "US", "USDX", "ZZZ", "XAU", "XXX"] {
            assert_eq!(Currency::from_code(code), Err(UnknownCurrency), "{code}");
        }
    }
}
