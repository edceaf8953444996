//! Conditional requests: `ETag`, `If-Match` and `If-None-Match` (RFC 9110, sections 8.8.3, 13.1.1 and 13.1.2).
//!
//! Tags are weak: they are equal with and without compression, where strong tags would have to differ.
//! `If-None-Match` compares weakly in any case, and range requests, which need strong tags, are not
//! supported.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::{
    header_names::{RATE_LIMIT, RATE_LIMIT_POLICY},
    problem::Problem,
};

/// Bytes of the SHA-256 digest in a tag: 128 bits rule out collisions.
const DIGEST_BYTES: usize = 16;

/// The entity tag of one representation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Etag(String);

impl Etag {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        Self(digest.iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect())
    }

    fn to_header(&self) -> HeaderValue {
        // Hexadecimal digits are always a valid header value.
        HeaderValue::try_from(format!("W/\"{}\"", self.0)).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Whether `If-None-Match` in the request's headers names this tag. A header that does not parse names
    /// none.
    fn matches(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::IF_NONE_MATCH).iter().map(HeaderValue::as_bytes).peekable();
        let Some(first) = values.peek() else { return false };
        if first.trim_ascii() == b"*" {
            return values.count() == 1;
        }
        let mut matched = false;
        for value in values {
            match tags(value) {
                Some(tags) => matched |= tags.contains(&self.0.as_bytes()),
                None => return false,
            }
        }
        matched
    }
}

/// Adds `tag` to the response, and turns it into 304 without a body where the request's `If-None-Match` names
/// the tag.
///
/// A 304 keeps all other headers: they replace the stored ones in caches (RFC 9111, section 3.2).
pub(crate) fn apply_if_none_match(
    request_headers: &HeaderMap,
    tag: &Etag,
    mut response: Response,
) -> Response {
    response.headers_mut().insert(header::ETAG, tag.to_header());
    if tag.matches(request_headers) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::empty();
    }
    response
}

/// Whether the precondition `If-Match` of a request is false.
///
/// `If-Match` compares strongly, so that it never holds for the weak tags of this server, nor for a resource
/// without a tag: only `*` holds.
pub(crate) fn if_match_fails(request_headers: &HeaderMap) -> bool {
    let mut values = request_headers.get_all(header::IF_MATCH).iter();
    match (values.next(), values.next()) {
        (None, _) => false,
        (Some(value), None) => value.as_bytes().trim_ascii() != b"*",
        (Some(_), Some(_)) => true,
    }
}

/// Whether a precondition of a request that places an order is false: that of `If-Match`, or `If-None-Match:
/// *`, since the list of orders is a representation of its target (section 13.1.2).
pub(crate) fn placing_fails(request_headers: &HeaderMap) -> bool {
    let none_match = request_headers.get(header::IF_NONE_MATCH);
    if_match_fails(request_headers) || none_match.is_some_and(|value| value.as_bytes().trim_ascii() == b"*")
}

/// Turns a successful response to a safe request into 412 if [`if_match_fails`]. A failure stays as it is:
/// without the precondition the response would be the same (RFC 9110, section 13.2.1).
///
/// The response keeps the headers of the rate limits.
pub(crate) fn apply_if_match(response: Response) -> Response {
    if !response.status().is_success() && response.status() != StatusCode::NOT_MODIFIED {
        return response;
    }
    let mut failed = Problem::precondition_failed().into_response();
    for name in [RATE_LIMIT, RATE_LIMIT_POLICY] {
        if let Some(value) = response.headers().get(&name) {
            failed.headers_mut().insert(name, value.clone());
        }
    }
    failed
}

/// The opaque tags of a list, without quotes and `W/`, which the weak comparison ignores. `None` for a
/// malformed list.
fn tags(mut list: &[u8]) -> Option<Vec<&[u8]>> {
    let mut tags = Vec::new();
    loop {
        // Empty elements are ignored (RFC 9110, section 5.6.1.2).
        while let [b' ' | b'\t' | b',', rest @ ..] = list {
            list = rest;
        }
        if list.is_empty() {
            return Some(tags);
        }
        let quoted = list.strip_prefix(b"W/").unwrap_or(list).strip_prefix(b"\"")?;
        let end = quoted.iter().position(|byte| *byte == b'"')?;
        let (tag, rest) = quoted.split_at_checked(end)?;
        if !tag.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)) {
            return None;
        }
        tags.push(tag);
        list = rest.get(1..)?.trim_ascii_start();
        if !matches!(list, [] | [b',', ..]) {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    fn request_headers(values: &[&str]) -> HeaderMap {
        let header =
            |value: &&str| (header::IF_NONE_MATCH, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        values.iter().map(header).collect()
    }

    #[test]
    fn a_tag_is_weak_and_follows_the_bytes() {
        let tag = Etag::of(b"{}").to_header();
        let text = tag.to_str().unwrap();
        assert!(text.starts_with("W/\"") && text.ends_with('"') && text.len() == 36, "{text}");
        assert_eq!(Etag::of(b"{}"), Etag::of(b"{}"));
        assert_ne!(Etag::of(b"{}"), Etag::of(b"{ }"));
    }

    #[test]
    fn if_none_match_with_the_tag_matches() {
        let tag = Etag("a,b".to_owned());
        for value in [
            &["\"a,b\""][..],
            &["W/\"a,b\""],
            &["*"],
            &[" * "],
            &["\"x\", W/\"a,b\" , \"y\""],
            &["\"x\"", "\"a,b\""],
            &[", ,\"a,b\","],
            &["\"é\",\"a,b\""],
        ] {
            assert!(tag.matches(&request_headers(value)), "{value:?}");
        }
    }

    #[test]
    fn another_tag_and_a_malformed_header_do_not_match() {
        let tag = Etag("a,b".to_owned());
        for value in [
            &[][..],
            &[""],
            &["\"a\""],
            &["\"A,B\""],
            &["a,b"],
            &["w/\"a,b\""],
            &["W/ \"a,b\""],
            &["\"a,b"],
            &["\"a,b\" \"x\""],
            &["\"a,b\"x"],
            &["\"a b\", \"a,b\""],
            &["*, \"a,b\""],
            &["\"a,b\", *"],
            &["*", "*"],
            &["\"a,b\"", "x"],
        ] {
            assert!(!tag.matches(&request_headers(value)), "{value:?}");
        }
    }

    #[test]
    fn if_match_holds_for_a_single_asterisk() {
        let headers = |values: &[&'static str]| -> HeaderMap {
            values.iter().map(|value| (header::IF_MATCH, HeaderValue::from_static(value))).collect()
        };
        for (values, fails) in [
            (&[][..], false),
            (&["*"], false),
            (&[" *"], false),
            (&["\"a\""], true),
            (&["W/\"a\""], true),
            (&["\"a\", *"], true),
            (&["*", "*"], true),
            (&[""], true),
        ] {
            assert_eq!(if_match_fails(&headers(values)), fails, "{values:?}");
        }
    }

    #[test]
    fn an_order_is_not_placed_where_a_precondition_is_false() {
        for (name, value, fails) in [
            (header::IF_NONE_MATCH, "*", true),
            (header::IF_NONE_MATCH, "\"a\"", false),
            (header::IF_MATCH, "\"a\"", true),
            (header::IF_MATCH, "*", false),
        ] {
            let headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static(value))]);
            assert_eq!(placing_fails(&headers), fails, "{name}: {value}");
        }
    }

    #[tokio::test]
    async fn only_a_success_becomes_412_and_keeps_its_rate_limits() {
        let response = |status| {
            let mut response = (status, [(RATE_LIMIT, "r"), (header::ETAG, "W/\"a\"")]).into_response();
            response.headers_mut().insert(RATE_LIMIT_POLICY, HeaderValue::from_static("p"));
            apply_if_match(response)
        };
        for status in [StatusCode::OK, StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
            let failed = response(status);
            assert_eq!(failed.status(), StatusCode::PRECONDITION_FAILED);
            let header = |name: &str| failed.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!((header("ratelimit"), header("ratelimit-policy")), (Some("r"), Some("p")));
            assert_eq!((header("etag"), header("content-type")), (None, Some("application/problem+json")));
        }
        for status in [StatusCode::NOT_FOUND, StatusCode::TEMPORARY_REDIRECT] {
            assert_eq!(response(status).status(), status);
        }
    }

    #[test]
    fn not_modified_keeps_every_header_except_those_of_the_body() {
        let tag = Etag::of(b"{}");
        let response =
            || ([(header::CONTENT_TYPE, "application/json"), (header::VARY, "prefer")], "{}").into_response();
        let matched = apply_if_none_match(&request_headers(&["*"]), &tag, response());
        assert_eq!(matched.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(
            (&matched.headers()["vary"], &matched.headers()["etag"]),
            (&"prefer".parse().unwrap(), &tag.to_header())
        );
        assert!(!matched.headers().contains_key("content-type"));
        let unmatched = apply_if_none_match(&HeaderMap::new(), &tag, response());
        assert_eq!(
            (unmatched.status(), unmatched.headers().get("etag")),
            (StatusCode::OK, Some(&tag.to_header()))
        );
    }
}
