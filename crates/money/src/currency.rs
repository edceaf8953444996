//! Currencies of ISO 4217, list one at amendment 180. `iso4217.csv` is the committed list; a test compares
//! the two.

use std::fmt;

/// The codes of accepted currencies by number of decimals, sorted.
const ACCEPTED: &[(u32, &[&str])] = &[
    (
        0,
        &[
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF",
            "XOF", "XPF",
        ],
    ),
    (
        2,
        &[
            "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BMD", "BND",
            "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CNY", "COP", "CRC", "CUP",
            "CVE", "CZK", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS",
            "GIP", "GMD", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IRR", "JMD", "KES",
            "KGS", "KHR", "KPW", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "MAD", "MDL", "MGA", "MKD",
            "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK",
            "NPR", "NZD", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "RUB", "SAR", "SBD",
            "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB",
            "TJS", "TMT", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "USD", "UYU", "UZS", "VED", "VES", "WST",
            "XCD", "XCG", "YER", "ZAR", "ZMW", "ZWG",
        ],
    ),
    (3, &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]),
];

/// Codes that requests were accepted with earlier: withdrawn currencies, funds and units of account.
const STORED: &[(u32, &[&str])] = &[
    (0, &["UYI"]),
    (2, &["ANG", "BGN", "BOV", "CHE", "CHW", "COU", "CUC", "HRK", "MXV", "SLL", "USN", "XAD", "ZWL"]),
    (4, &["CLF", "UYW"]),
];

/// A currency of ISO 4217 that has a minor unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency {
    code: &'static str,
    exponent: u32,
}

/// A code that is not accepted: ISO 4217 does not contain it, has withdrawn it, or lists it as a fund, a unit
/// of account, a metal or without a minor unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the ISO 4217 code of a currency in use, in capitals, USD for instance")]
pub struct UnknownCurrency;

impl Currency {
    /// The US dollar, the default currency of orders.
    pub const USD: Self = Self { code: "USD", exponent: 2 };

    /// The currency in use with this code, in capitals. For what a request or a configuration states.
    ///
    /// # Errors
    ///
    /// [`UnknownCurrency`] for any other text.
    pub fn from_code(code: &str) -> Result<Self, UnknownCurrency> {
        find(ACCEPTED, code).ok_or(UnknownCurrency)
    }

    /// All currencies in use, in no particular order.
    pub fn all() -> impl Iterator<Item = Self> {
        ACCEPTED
            .iter()
            .flat_map(|(exponent, codes)| codes.iter().map(|code| Self { code, exponent: *exponent }))
    }

    /// The currency of a record with this code: one that [`from_code`](Self::from_code) accepts, or that it
    /// accepted when the record was written. Records must stay readable after a code is withdrawn.
    ///
    /// # Errors
    ///
    /// [`UnknownCurrency`] for any other text.
    pub fn from_stored(code: &str) -> Result<Self, UnknownCurrency> {
        find(ACCEPTED, code).or_else(|| find(STORED, code)).ok_or(UnknownCurrency)
    }

    /// The code: three capitals.
    pub fn code(self) -> &'static str {
        self.code
    }

    /// The number of decimals of a major unit: 2 for USD, 0 for JPY, 3 for KWD. At most 4.
    pub fn exponent(self) -> u32 {
        self.exponent
    }
}

fn find(lists: &[(u32, &[&'static str])], code: &str) -> Option<Currency> {
    lists.iter().find_map(|(exponent, codes)| {
        let index = codes.binary_search(&code).ok()?;
        Some(Currency { code: codes.get(index)?, exponent: *exponent })
    })
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
    use std::collections::BTreeMap;

    use super::*;

    const LIST: &str = include_str!("../iso4217.csv");

    /// Minor unit and kind of each code in the committed list.
    fn list() -> BTreeMap<&'static str, (Option<u32>, &'static str)> {
        let rows = LIST.lines().filter(|line| !line.starts_with('#')).skip(1);
        let entries = rows.map(|row| {
            let [code, minor_unit, kind] = row.split(',').collect::<Vec<_>>()[..] else { panic!("{row}") };
            (code, (minor_unit.parse().ok(), kind))
        });
        entries.collect()
    }

    fn every_code() -> impl Iterator<Item = String> {
        let letters = || 'A'..='Z';
        letters().flat_map(move |a| {
            letters().flat_map(move |b| letters().map(move |c| String::from_iter([a, b, c])))
        })
    }

    #[test]
    fn the_currencies_of_list_one_are_accepted_and_nothing_else() {
        let list = list();
        assert_eq!(list.values().filter(|(_, kind)| *kind == "currency").count(), 155);
        for code in every_code() {
            let wanted = match list.get(code.as_str()) {
                Some((Some(exponent), "currency")) => Ok(*exponent),
                _ => Err(UnknownCurrency),
            };
            assert_eq!(Currency::from_code(&code).map(Currency::exponent), wanted, "{code}");
        }
        assert_eq!(Currency::from_code("USD"), Ok(Currency::USD));
        assert!(Currency::all().all(|currency| Currency::from_code(currency.code()) == Ok(currency)));
        assert_eq!(Currency::all().count(), 155);
    }

    #[test]
    fn a_record_may_have_every_code_with_a_minor_unit() {
        let list = list();
        for code in every_code() {
            let wanted = list.get(code.as_str()).and_then(|(exponent, _)| *exponent).ok_or(UnknownCurrency);
            let stored = Currency::from_stored(&code);
            assert_eq!(stored.map(Currency::exponent), wanted, "{code}");
            assert_eq!(stored.map(Currency::code).unwrap_or(&code), code);
        }
    }

    #[test]
    fn withdrawn_codes_funds_and_units_of_account_are_rejected() {
        for code in [
            "HRK", "BGN", "SLL", "ZWL", "CUC", "ANG", "VEF", "BYR", "MRO", "STD", "DEM", "CLF", "CHE", "CHW",
            "COU", "MXV", "BOV", "USN", "UYI", "UYW", "XAD", "XDR", "XSU", "XUA", "XAU", "XAG", "XPT", "XPD",
            "XBA", "XBB", "XBC", "XBD", "XTS", "XXX",
        ] {
            assert_eq!(Currency::from_code(code), Err(UnknownCurrency), "{code}");
        }
        let exponent = |code| Currency::from_stored(code).map(Currency::exponent);
        assert_eq!((exponent("BGN"), exponent("CLF"), exponent("UYI")), (Ok(2), Ok(4), Ok(0)));
    }

    #[test]
    fn texts_that_are_no_code_are_rejected() {
        for code in ["", "usd", "Usd", "US", "USDX", "ZZZ", " USD", "ＵＳＤ"] {
            assert_eq!(Currency::from_code(code), Err(UnknownCurrency), "{code}");
            assert_eq!(Currency::from_stored(code), Err(UnknownCurrency), "{code}");
        }
    }
}
