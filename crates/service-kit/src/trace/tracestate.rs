//! `tracestate` (W3C Trace Context, section 3.3): what a service forwards of it.

use http::{HeaderMap, HeaderValue};

use super::TRACESTATE;

/// The longest `tracestate` that is sent with a `traceparent` of this process, in bytes, all lines together;
/// the standard requires no more.
const BYTES_MAX: usize = 512;
/// The longest `tracestate` that is forwarded with an unchanged `traceparent`. A longer one is shortened all
/// the same: many servers accept 8 KiB of metadata.
const UNCHANGED_BYTES_MAX: usize = 4096;
/// Members of more bytes are removed first.
const MEMBER_BYTES_LONG: usize = 128;
/// Members of one `tracestate`.
const MEMBERS_MAX: usize = 32;
/// Bytes of a key, and of a value.
const PART_BYTES_MAX: usize = 256;

/// The `tracestate` for calls of a request with `headers`: its lines as one, in their order (RFC 9110,
/// section 5.3). `None` if it is empty.
///
/// With an unchanged `traceparent` it is unchanged. With another one an invalid `tracestate` is dropped, and
/// a long one shortened by whole members (sections 3.3.1.5, 3.4 and 4.2).
pub(super) fn forwarded(headers: &HeaderMap, unchanged_parent: bool) -> Option<HeaderValue> {
    let lines = headers.get_all(&TRACESTATE).iter().map(HeaderValue::as_bytes);
    let lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
    let state = lines.join(&b","[..]);
    if unchanged_parent && (1..=UNCHANGED_BYTES_MAX).contains(&state.len()) {
        return HeaderValue::from_bytes(&state).ok();
    }
    let state = String::from_utf8(state).ok()?;
    let members = valid_members(&state)?;
    let text = if state.len() <= BYTES_MAX { state } else { shortened(members).join(",") };
    (!text.is_empty()).then(|| HeaderValue::try_from(text).ok()).flatten()
}

/// The members of `state`, without empty ones; `None` if there are none or too many, or one is malformed.
fn valid_members(state: &str) -> Option<Vec<&str>> {
    let members = state.split(',').map(|member| member.trim_matches([' ', '\t']));
    let members: Vec<_> = members.filter(|member| !member.is_empty()).collect();
    let is_valid =
        (1..=MEMBERS_MAX).contains(&members.len()) && members.iter().all(|member| is_valid(member));
    is_valid.then_some(members)
}

/// Whether `member` is `key=value` (section 3.3.1.3).
fn is_valid(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else { return false };
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_key = |byte: u8| is_first(byte) || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@');
    let is_value = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'=';
    let has_length = |part: &str| (1..=PART_BYTES_MAX).contains(&part.len());
    has_length(key)
        && has_length(value)
        && key.bytes().take(1).all(is_first)
        && key.bytes().all(is_key)
        && value.bytes().all(is_value)
}

/// Removes members until the rest fits: first those of more than [`MEMBER_BYTES_LONG`] bytes, then any, the
/// last one first.
fn shortened(mut members: Vec<&str>) -> Vec<&str> {
    while members.iter().map(|member| member.len() + 1).sum::<usize>() > BYTES_MAX + 1 {
        let long = members.iter().rposition(|member| member.len() > MEMBER_BYTES_LONG);
        members.remove(long.unwrap_or(members.len() - 1));
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (TRACESTATE, HeaderValue::from_str(line).unwrap())).collect()
    }

    /// What is sent with another `traceparent` than the received one.
    fn sent(lines: &[&str]) -> Option<String> {
        forwarded(&headers(lines), false).map(|value| value.to_str().unwrap().to_owned())
    }

    /// A member of `length` bytes.
    fn member(key: &str, length: usize) -> String {
        format!("{key}={}", "v".repeat(length - key.len() - 1))
    }

    #[test]
    fn lines_are_joined_in_order() {
        for (lines, state) in [
            (&["b=1"][..], "b=1"),
            (&["b=1", "a=2, c=3", "", "d=4"], "b=1,a=2, c=3,d=4"),
            (&["a=1 \t , \t b= 2,,"], "a=1 \t , \t b= 2,,"),
        ] {
            assert_eq!(sent(lines).as_deref(), Some(state));
            assert_eq!(forwarded(&headers(lines), true).unwrap(), state);
        }
        for empty in [&[][..], &[""], &["", ""]] {
            assert_eq!((sent(empty), forwarded(&headers(empty), true)), (None, None));
        }
        assert_eq!(sent(&[" , "]), None);
    }

    #[test]
    fn long_tracestate_loses_whole_members_the_long_ones_first_and_then_the_last() {
        let (a, b, c, d, e) =
            (member("a", 128), member("b", 129), member("c", 127), member("d", 129), member("e", 10));
        // 527 bytes: the last long member is enough.
        assert_eq!(sent(&[&[&*a, &b, &c, &d, &e].join(",")]), Some([&*a, &b, &c, &e].join(",")));
        // Both long ones, and no other.
        let f = member("f", 120);
        let rest = [&*a, &c, &e, &f].join(",");
        assert_eq!(sent(&[&[&*a, &b, &c].join(","), &[&*d, &e, &f].join(",")]), Some(rest));
        // No long ones: the last ones.
        let many: Vec<_> = (0..10).map(|index| member(&format!("m{index}"), 100)).collect();
        assert_eq!(sent(&[&many.join(",")]), Some(many[..5].join(",")));
        // Of 512 bytes all, of 513 not.
        let exact = [member("a", 255), member("b", 256)].join(",");
        assert_eq!(sent(&[&exact]), Some(exact.clone()));
        let more = [member("a", 256), member("b", 256)].join(",");
        assert_eq!(sent(&[&more]), Some(member("a", 256)));
        // White space between members counts, and is removed before a member is.
        let spaced = many[..5].join(",            ");
        assert!(spaced.len() > BYTES_MAX);
        assert_eq!(sent(&[&spaced]), Some(many[..5].join(",")));
        let single = member("a", 513);
        assert_eq!(sent(&[&single]), None);
    }

    #[test]
    fn malformed_tracestate_is_dropped() {
        let (longest, too_long) = ("z".repeat(256), "z".repeat(257));
        for good in [
            "a=1",
            "0a=1",
            "a_-*/@=1",
            "a@@b=1",
            "a= 1",
            "a=!~",
            "a=1,a=2",
            &format!("{longest}=1"),
            &format!("a={longest}"),
        ] {
            assert_eq!(sent(&[good]).as_deref(), Some(good));
        }
        for bad in [
            "a",
            "=1",
            "a=",
            "a=,b=1",
            "a=b=c",
            "A=1",
            "a.b=1",
            "a =1",
            "@a=1",
            "_a=1",
            "a=1\tb",
            &format!("{too_long}=1"),
            &format!("a={too_long}"),
        ] {
            assert_eq!(sent(&[bad, "good=1"]), None, "{bad}");
        }
        let latin = HeaderMap::from_iter([(TRACESTATE, HeaderValue::from_bytes(b"a=\xe9").unwrap())]);
        assert_eq!(forwarded(&latin, false), None);
        let members: Vec<_> = (0..=MEMBERS_MAX).map(|index| format!("m{index}=1")).collect();
        assert!(sent(&[&members[..MEMBERS_MAX].join(",")]).is_some());
        assert_eq!(sent(&[&members.join(",")]), None);
    }

    #[test]
    fn with_an_unchanged_parent_it_is_unchanged_up_to_4_kib() {
        let exact: String = member("a", UNCHANGED_BYTES_MAX);
        for state in [&*exact, "A=1", "a=b=c", "m"] {
            assert_eq!(forwarded(&headers(&[state]), true).unwrap(), state);
        }
        let more = format!("b=1,{exact}");
        assert_eq!(forwarded(&headers(&[&more]), true), None);
        let many: Vec<_> = (0..32).map(|index| member(&format!("m{index}"), 128)).collect();
        let shortened = forwarded(&headers(&[&many.join(", ")]), true).unwrap();
        assert_eq!(shortened, many[..3].join(","));
    }
}
