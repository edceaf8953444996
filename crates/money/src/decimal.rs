//! Decimal text, read without losing a digit.
//!
//! The decimal library rounds what is longer than its 28 digits and reads an exponent only after rounding,
//! so digits and exponent are taken apart here, and only integers are computed with.

/// A number as it was written: `digits` times ten to the power of `scale`.
pub(crate) struct Written {
    pub(crate) negative: bool,
    /// Without zeros at either end; empty for 0.
    pub(crate) digits: String,
    pub(crate) scale: i64,
}

/// Reads a number as JSON writes it (RFC 8259, section 6); `None` for any other text.
pub(crate) fn read(text: &str) -> Option<Written> {
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
    let all = format!("{whole}{}", fraction.unwrap_or_default());
    let trimmed = all.trim_end_matches('0');
    let shift = trailing(all.len() - trimmed.len()) - trailing(fraction.map_or(0, str::len));
    let digits = trimmed.trim_start_matches('0').to_owned();
    Some(Written { negative, digits, scale: read_exponent(exponent).saturating_add(shift) })
}

fn trailing(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// An exponent that no integer holds is as good as the largest: both are beyond any amount.
fn read_exponent(text: &str) -> i64 {
    let beyond = if text.starts_with('-') { i64::from(i32::MIN) } else { i64::from(i32::MAX) };
    text.parse::<i32>().map_or(beyond, i64::from)
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
    fn decimal_text_is_read_exactly() {
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
    fn a_number_that_is_no_amount_says_why() {
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
    fn what_json_does_not_write_as_a_number_is_none() {
        for text in [
            "", " ", "-", "+1", "01", ".5", "1.", "1e", "1e+", "NaN", "Infinity", "0x1", "1_0", "1,0", " 1",
            "１",
        ] {
            assert_eq!(minor(text), Err(AmountError::NotANumber), "{text:?}");
        }
    }
}
