//! The time from which an audit reads.

use service_kit::ids::{first_id_at, now_ms};

/// The forms that [`Since::parse`] accepts.
const ACCEPTED: &str = "a duration before now (90m, 24h, 7d), a day or a time of UTC (2026-12-01, \
                                   2026-12-01T06:00:00Z)";

/// The part of the orders and payments that an audit reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// The time as the operator wrote it.
    pub text: String,
    /// The lowest order id.
    pub first_id: i64,
}

impl Since {
    /// Parses a duration before now (`90m`, `24h`, `7d`), or a day (`2026-12-01`) or a time
    /// (`2026-12-01T06:00:00Z`) of UTC.
    ///
    /// # Errors
    ///
    /// What is accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let ms = duration_ms(text).map(|before| now_ms().saturating_sub(before)).or_else(|| time_ms(text));
        let ms = ms.ok_or_else(|| format!("accepted: {ACCEPTED}"))?;
        Ok(Self { text: text.to_owned(), first_id: first_id_at(ms) })
    }
}

fn duration_ms(text: &str) -> Option<i64> {
    let unit_ms = match text.chars().last()? {
        's' => 1000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    number(&text[..text.len() - 1], 1..=i64::MAX)?.checked_mul(unit_ms)
}

/// A day or a time in the profile of RFC 3339 above; no leap seconds.
fn time_ms(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let [year, month, day] = fixed(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = fixed(time.strip_suffix('Z')?, ':', [2, 2, 2])?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_month = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1970..).contains(&year)
        || !(1..=days_of_month).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let seconds = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(seconds * 1000)
}

/// The days of the Gregorian calendar since 1970-01-01. The year of the computation begins in March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469
}

/// Three numbers of these counts of digits.
fn fixed(text: &str, separator: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let parts: Vec<&str> = text.split(separator).collect();
    let parts: [&str; 3] = parts.try_into().ok()?;
    if parts.map(str::len) != digits {
        return None;
    }
    let [first, second, third] = parts.map(|part| number(part, 0..=9999));
    Some([first?, second?, third?])
}

fn number(text: &str, accepted: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && accepted.contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_utc() {
        assert_eq!(time_ms("1970-01-01"), Some(0));
        assert_eq!(time_ms("2026-01-01"), Some(service_kit::ids::EPOCH_MS));
        assert_eq!(time_ms("2026-11-23T06:00:00Z"), Some(1_795_413_600_000));
        assert_eq!(time_ms("2028-02-29T23:59:59Z"), Some(1_835_481_599_000));
        assert_eq!(Since::parse("2026-11-23T06:00:00Z").unwrap().first_id, 115_458_048_000_000);
    }

    #[test]
    fn a_duration_counts_back_from_now() {
        assert_eq!(duration_ms("90m"), Some(5_400_000));
        assert_eq!(duration_ms("7d"), Some(604_800_000));
        let (before, since) = (first_id_at(now_ms() - 86_400_000), Since::parse("24h").unwrap());
        assert!(since.first_id >= before && since.first_id < first_id_at(now_ms()));
        assert_eq!(Since::parse("99999999d").unwrap().first_id, 1);
    }

    #[test]
    fn anything_else_is_rejected() {
        let invalid = [
            "",
            "h",
            "24",
            "0h",
            "-1h",
            "+1h",
            "1.5h",
            "24 h",
            "1w",
            "ü",
            "9223372036854775807d",
            "2026",
            "2026-12",
            "2026-13-01",
            "2026-02-29",
            "2026-04-31",
            "2026-12-00",
            "26-12-01",
            "2026-1-1",
            "2026-12-01T",
            "2026-12-01T06:00",
            "2026-12-01T06:00:00",
            "2026-12-01T06:00:00+01:00",
            "2026-12-01T24:00:00Z",
            "2026-12-01T06:00:60Z",
            "2026-12-01 06:00:00Z",
            "1969-12-31",
            "yesterday",
        ];
        for text in invalid {
            assert!(Since::parse(text).is_err(), "{text}");
        }
    }
}
