//! `Prefer` (RFC 7240). The gateway honours `wait`, the seconds that a client prefers to wait for a response.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::field_list::split;

/// The request header.
pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The response header that names the honoured preference.
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// A larger number of seconds counts as this (RFC 9111, section 1.2.2).
const SECONDS_MAX: u32 = 1 << 31;

/// The seconds of `wait`. An unparsable preference is ignored, and the first of a repeated preference counts
/// (RFC 7240, section 2).
pub(crate) fn wait_seconds(headers: &HeaderMap) -> Option<u32> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let value = values.flat_map(|list| split(list, ',')).find_map(wait_value)?;
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| value.parse().unwrap_or(SECONDS_MAX).min(SECONDS_MAX))
}

/// The value of `Preference-Applied`.
pub(crate) fn applied(seconds: u32) -> HeaderValue {
    // Letters and digits are always a valid header value.
    HeaderValue::try_from(format!("wait={seconds}")).unwrap_or_else(|_| HeaderValue::from_static("wait"))
}

/// The value of a preference named `wait`, without parameters.
fn wait_value(preference: &str) -> Option<&str> {
    let bare = split(preference, ';').next().unwrap_or_default();
    let (name, value) = bare.split_once('=').unwrap_or((bare, ""));
    let unquoted = |value: &'_ str| value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
    let value = value.trim();
    let value = if unquoted(value) { &value[1..value.len() - 1] } else { value };
    name.trim().eq_ignore_ascii_case("wait").then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(values: &[&str]) -> Option<u32> {
        wait_seconds(&values.iter().map(|value| (PREFER, value.parse().unwrap())).collect())
    }

    #[test]
    fn every_form_of_a_preference_is_parsed() {
        for values in [
            &["wait=10"][..],
            &["Wait = 10"],
            &["wait=\"10\""],
            &["respond-async, wait=10"],
            &["respond-async", "wait=10;foo=bar"],
            &["wait=10, wait=20"],
            &["wait=10", "wait=x"],
            &["x=\"a, wait=3; \\\", wait=4\", wait=010"],
            &[" ,, wait=10 ,"],
        ] {
            assert_eq!(seconds(values), Some(10), "{values:?}");
        }
        assert_eq!(seconds(&["wait=0"]), Some(0));
        assert_eq!(seconds(&["wait=99999999999999999999"]), Some(SECONDS_MAX));
    }

    #[test]
    fn an_unparsable_preference_is_ignored() {
        for values in [
            &[][..],
            &[""],
            &["wait"],
            &["wait="],
            &["wait=\"\""],
            &["wait=-1"],
            &["wait=1.5"],
            &["wait=x", "wait=10"],
            &["await=10"],
            &["x=\"wait=10"],
            &["respond-async;wait=10"],
        ] {
            assert_eq!(seconds(values), None, "{values:?}");
        }
    }
}
