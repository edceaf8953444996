//! `Prefer` (RFC 7240): of what callers prefer, `wait` is heeded, which says for how long an answer may be waited for.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header of requests.
pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The header of answers that says what was heeded.
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// More seconds than this are meant as for ever (RFC 9111, section 1.2.2).
const SECONDS_MAX: u32 = 1 << 31;

/// For how many seconds the answer may be waited for, where the caller says so. What cannot be read is passed over, and
/// of a preference that is given more than once the first counts (RFC 7240, section 2).
pub(crate) fn wait_seconds(headers: &HeaderMap) -> Option<u32> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let value = values.flat_map(|list| split(list, ',')).find_map(wait_value)?;
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| value.parse().unwrap_or(SECONDS_MAX).min(SECONDS_MAX))
}

/// `Preference-Applied`, of an answer that was waited for.
pub(crate) fn applied(seconds: u32) -> HeaderValue {
    // Letters and digits are a header's value always.
    HeaderValue::try_from(format!("wait={seconds}")).unwrap_or_else(|_| HeaderValue::from_static("wait"))
}

/// The value of one preference, without its parameters, where its name is `wait`.
fn wait_value(preference: &str) -> Option<&str> {
    let bare = split(preference, ';').next().unwrap_or_default();
    let (name, value) = bare.split_once('=').unwrap_or((bare, ""));
    let unquoted = |value: &'_ str| value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
    let value = value.trim();
    let value = if unquoted(value) { &value[1..value.len() - 1] } else { value };
    name.trim().eq_ignore_ascii_case("wait").then_some(value)
}

/// The parts of `text` between marks that are not within a quoted string.
fn split(text: &str, mark: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let (ends, escapes) = (c == '"' && !escaped, quoted && !escaped && c == '\\');
        (quoted, escaped) = (quoted ^ ends, escapes);
        c == mark && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Option<u32> {
        wait_seconds(&values.iter().map(|value| (PREFER, value.parse().unwrap())).collect())
    }

    #[test]
    fn the_seconds_are_read_in_every_form_that_a_preference_has() {
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
            assert_eq!(read(values), Some(10), "{values:?}");
        }
        assert_eq!(read(&["wait=0"]), Some(0));
        assert_eq!(read(&["wait=99999999999999999999"]), Some(SECONDS_MAX));
    }

    #[test]
    fn what_cannot_be_read_is_passed_over() {
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
            assert_eq!(read(values), None, "{values:?}");
        }
    }
}
