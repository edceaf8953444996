//! Durations in Go's syntax: `30s`, `1m30s`, `500ms`, `1.5h`, `0`.

use std::time::Duration;

/// The longest accepted duration.
const HOURS_MAX: u64 = 24;

/// The accepted values, for errors.
pub(super) const ACCEPTED: &str =
    "a duration such as 30s, 1m30s or 500ms, up to 24h, or 0 for the default of 5 s";

/// Parses `text` as Go's `time.ParseDuration` does; rejects negative durations and those above 24 hours.
pub(super) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanos = 0_u64;
    let mut rest = text;
    // An empty text enters the loop, which finds no number in it.
    while !rest.is_empty() || text.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c| !is_numeric(c))?);
        let (unit, after) = after.split_at(after.find(is_numeric).unwrap_or(after.len()));
        nanos = nanos.checked_add(scaled(number, nanos_of(unit)?)?)?;
        rest = after;
    }
    Some(Duration::from_nanos(nanos)).filter(|duration| *duration <= Duration::from_secs(HOURS_MAX * 3600))
}

fn is_numeric(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

fn nanos_of(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // The micro sign and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// The decimal `number` times `unit_nanos`, in whole nanoseconds. Ignores fraction digits after the ninth.
fn scaled(number: &str, unit_nanos: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || number == "." || number.is_empty() {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanos = whole.checked_mul(unit_nanos)?;
    let mut digit_nanos = unit_nanos;
    for digit in fraction.bytes().take(9) {
        digit_nanos /= 10;
        nanos = nanos.checked_add(u64::from(digit.saturating_sub(b'0')) * digit_nanos)?;
    }
    Some(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed_as_in_go() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("30s", 30_000),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("1.5s", 1_500),
            (".25s", 250),
            ("2h", 7_200_000),
            ("1000us", 1),
            ("1000\u{b5}s", 1),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn invalid_and_too_long_durations_are_rejected() {
        for text in ["", "5", "s", "1x", "-1s", "1s2", ".s", "1.2.3s", "25h", "99999999999999999999h", "1 s"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
