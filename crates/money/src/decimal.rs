//! Parses decimal text without losing a digit: digits and exponent are separated as text, and only integers
//! are computed.

/// A decimal number: `digits` × 10^`scale`.
pub(crate) struct Decimal {
    pub(crate) negative: bool,
    /// Without leading and trailing zeros; empty for 0.
    pub(crate) digits: String,
    pub(crate) scale: i64,
}

/// Parses a number in the grammar of JSON (RFC 8259, section 6).
pub(crate) fn parse(text: &str) -> Option<Decimal> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let well_formed = is_digits(whole)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && fraction.is_none_or(is_digits)
        && is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    if !well_formed {
        return None;
    }
    let all_digits = format!("{whole}{}", fraction.unwrap_or_default());
    let trimmed = all_digits.trim_end_matches('0');
    let shift = as_i64(all_digits.len() - trimmed.len()) - as_i64(fraction.map_or(0, str::len));
    let digits = trimmed.trim_start_matches('0').to_owned();
    Some(Decimal { negative, digits, scale: parse_exponent(exponent).saturating_add(shift) })
}

fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Saturates: no amount but 0 may have an exponent outside of `i32`.
fn parse_exponent(text: &str) -> i64 {
    let limit = if text.starts_with('-') { i64::from(i32::MIN) } else { i64::from(i32::MAX) };
    text.parse::<i32>().map_or(limit, i64::from)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use crate::{AmountError, Currency, Money};

    fn minor(text: &str) -> Result<i64, AmountError> {
        Money::parse(Currency::USD, text).map(Money::minor)
    }

    #[test]
    fn decimal_text_is_parsed_exactly() {
        for (text, want) in [
            ("0", 0),
            ("-0", 0),
            ("0.00", 0),
            ("0e999999999999", 0),
            ("0.12", 12),
            ("0.1200000000000000000000000000000000000000", 12),
            ("12", 1_200),
            ("1.2e1", 1_200),
            ("120E-1", 1_200),
            ("1e+2", 10_000),
            ("1200000000000000000000000000000000000000000e-41", 1_200),
            ("90071992547409.91", Money::MINOR_MAX),
        ] {
            assert_eq!(minor(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn numbers_out_of_range_or_too_precise_are_rejected() {
        let precise = AmountError::TooPrecise { currency: Currency::USD };
        for (text, want) in [
            ("-0.01", AmountError::Negative),
            ("-1e400", AmountError::Negative),
            ("0.001", precise),
            ("1e-3", precise),
            ("1e-999999999999", precise),
            ("0.1234567890123456789012345678901234567890", precise),
            ("1e400", AmountError::TooLarge),
            ("1e999999999999", AmountError::TooLarge),
            ("1234567890123456789012345678901234567890", AmountError::TooLarge),
            ("90071992547409.92", AmountError::TooLarge),
        ] {
            assert_eq!(minor(text), Err(want), "{text}");
        }
    }

    #[test]
    fn text_that_is_not_a_json_number_is_rejected() {
        for text in [
            "", " ", "-", "+1", "01", ".5", "1.", "1e", "1e+", "NaN", "Infinity", "0x1", "1_0", "1,0", " 1",
            "１",
        ] {
            assert_eq!(minor(text), Err(AmountError::NotANumber), "{text:?}");
        }
    }
}
