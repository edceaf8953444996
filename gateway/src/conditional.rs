//! Conditional requests: `ETag` and `If-None-Match` (RFC 9110, sections 8.8.3 and 13.1.2).
//!
//! Tags are weak: they are equal with and without compression, where strong tags would have to differ.
//! `If-None-Match` compares weakly in any case, and range requests, which need strong tags, are not
//! supported.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

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
