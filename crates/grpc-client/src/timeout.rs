//! The `grpc-timeout` header: the remaining time of a call (gRPC over HTTP/2, "Requests").

use std::time::Duration;

use http::{HeaderName, HeaderValue};

/// The name of the header.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The protocol allows eight digits, followed by a unit.
const DIGITS_MAX: usize = 8;
const VALUE_MAX: u128 = 99_999_999;

/// The header value for `left`, in the finest unit that fits. Rounded down, so that the receiver gives up
/// first.
pub fn format(left: Duration) -> HeaderValue {
    let text = match left {
        left if left.as_micros() <= VALUE_MAX => format!("{}u", left.as_micros()),
        left if left.as_millis() <= VALUE_MAX => format!("{}m", left.as_millis()),
        left => format!("{}S", u128::from(left.as_secs()).min(VALUE_MAX)),
    };
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("0u"))
}

/// Parses a header value. `None` if it does not follow the protocol's grammar.
pub fn parse(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_uses_the_finest_unit_that_fits_eight_digits() {
        for (left, expected) in [
            (Duration::from_millis(9_500), "9500000u"),
            (Duration::from_secs(3_600), "3600000m"),
            (Duration::from_secs(1 << 20), "1048576S"),
            (Duration::MAX, "99999999S"),
            (Duration::from_nanos(999), "0u"),
        ] {
            assert_eq!(format(left), expected);
        }
    }

    #[test]
    fn parse_accepts_every_unit_and_rejects_other_texts() {
        let parse_text = |text: &str| parse(&HeaderValue::from_str(text).unwrap());
        assert_eq!(parse_text("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(parse_text("3M"), Some(Duration::from_secs(180)));
        assert_eq!(parse_text("4S"), Some(Duration::from_secs(4)));
        assert_eq!(parse_text("5m"), Some(Duration::from_millis(5)));
        assert_eq!(parse_text("6u"), Some(Duration::from_micros(6)));
        assert_eq!(parse_text("7n"), Some(Duration::from_nanos(7)));
        assert_eq!(parse_text("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for bad in ["", "S", "1", "-1S", "+1S", "123456789S", "1x", "1 S", "1.5S"] {
            assert_eq!(parse_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn parse_of_format_is_close_and_never_longer() {
        for shift in 0..62 {
            let left = Duration::from_micros(0x2aaa_aaaa_aaaa_aaaa >> shift);
            let parsed = parse(&format(left)).unwrap();
            assert!(parsed <= left, "{left:?} became {parsed:?}");
            assert!(
                left > Duration::from_secs(99_999_999) || left - parsed < Duration::from_secs(1),
                "{left:?}"
            );
        }
    }
}
