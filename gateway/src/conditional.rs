//! `ETag` and `If-None-Match` (RFC 9110, sections 8.8.3 and 13.1.2).
//!
//! Tags are weak: a representation means the same with and without compression, and a strong tag would have to tell
//! them apart. `If-None-Match` compares weakly in any case, and ranges, which need strong tags, are not served.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

/// Bytes of a digest that make a tag: 128 bits tell any two representations apart.
const DIGEST_BYTES: usize = 16;

/// The tag of one representation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Etag(String);

impl Etag {
    /// The tag of a representation of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        Self(digest.iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect())
    }

    fn to_header(&self) -> HeaderValue {
        // Hexadecimal digits are a header's value always.
        HeaderValue::try_from(format!("W/\"{}\"", self.0)).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Whether the caller with these headers has the representation.
    fn is_known_to(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::IF_NONE_MATCH).iter().map(HeaderValue::as_bytes).peekable();
        let Some(first) = values.peek() else { return false };
        if first.trim_ascii() == b"*" {
            return values.count() == 1;
        }
        let mut known = false;
        for value in values {
            match tags(value) {
                Some(tags) => known |= tags.contains(&self.0.as_bytes()),
                // What cannot be read is no condition.
                None => return false,
            }
        }
        known
    }
}

/// `response` with its tag; 304 without a body where the caller, whose headers are `asked`, has it already.
///
/// All other headers stay: those of a 304 replace those that a cache has stored (RFC 9111, section 3.2).
pub(crate) fn apply_if_none_match(asked: &HeaderMap, tag: &Etag, mut response: Response) -> Response {
    response.headers_mut().insert(header::ETAG, tag.to_header());
    if tag.is_known_to(asked) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::empty();
    }
    response
}

/// The opaque tags of a list, without quotes and weakness, which the weak comparison ignores; `None` where it is no
/// list of tags.
fn tags(mut list: &[u8]) -> Option<Vec<&[u8]>> {
    let mut tags = Vec::new();
    loop {
        // Empty elements mean nothing (RFC 9110, section 5.6.1.2).
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

    fn asking(values: &[&str]) -> HeaderMap {
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
    fn a_caller_that_names_the_tag_has_the_representation() {
        let tag = Etag("a,b".to_owned());
        for known in [
            &["\"a,b\""][..],
            &["W/\"a,b\""],
            &["*"],
            &[" * "],
            &["\"x\", W/\"a,b\" , \"y\""],
            &["\"x\"", "\"a,b\""],
            &[", ,\"a,b\","],
            &["\"é\",\"a,b\""],
        ] {
            assert!(tag.is_known_to(&asking(known)), "{known:?}");
        }
    }

    #[test]
    fn what_names_another_or_cannot_be_read_is_no_match() {
        let tag = Etag("a,b".to_owned());
        for other in [
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
            assert!(!tag.is_known_to(&asking(other)), "{other:?}");
        }
    }

    #[test]
    fn not_modified_keeps_every_header_but_those_of_the_body() {
        let tag = Etag::of(b"{}");
        let answer =
            || ([(header::CONTENT_TYPE, "application/json"), (header::VARY, "prefer")], "{}").into_response();
        let known = apply_if_none_match(&asking(&["*"]), &tag, answer());
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(
            (&known.headers()["vary"], &known.headers()["etag"]),
            (&"prefer".parse().unwrap(), &tag.to_header())
        );
        assert!(!known.headers().contains_key("content-type"));
        let unknown = apply_if_none_match(&HeaderMap::new(), &tag, answer());
        assert_eq!(
            (unknown.status(), unknown.headers().get("etag")),
            (StatusCode::OK, Some(&tag.to_header()))
        );
    }
}
