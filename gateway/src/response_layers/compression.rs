//! Compression of answers: gzip, for text that is long enough to gain by it.
//!
//! Brotli would save browsers a tenth more, and cost a dictionary in the program and megabytes for each answer that is
//! under way.

use axum::extract::Request;
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, Version, header};
use tower_http::compression::{
    CompressionLayer,
    predicate::{Predicate, SizeAbove},
};

use crate::limits;

/// Media types that compress well; pictures are compressed already.
const COMPRESSED: [&str; 6] = [
    "application/json",
    "application/problem+json",
    "text/html",
    "text/css",
    "text/javascript",
    "application/javascript",
];

/// Compresses what is worth it, and says by `Vary` that it depends on `Accept-Encoding`.
pub(super) fn layer() -> CompressionLayer<impl Predicate> {
    let long = SizeAbove::new(limits::COMPRESSED_BYTES_MIN);
    CompressionLayer::new().gzip(true).compress_when(long.and(is_text))
}

fn is_text(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    COMPRESSED.iter().any(|text| essence.eq_ignore_ascii_case(text))
}

/// Takes out of `Accept-Encoding` what refuses an answer that is not compressed. A server may disregard it
/// (RFC 9110, section 12.4.1); the layer would make a 406 of an order that was placed and charged.
pub(super) fn accept_identity(mut request: Request) -> Request {
    let headers = request.headers_mut();
    if !headers.contains_key(header::ACCEPT_ENCODING) {
        return request;
    }
    let kept: Vec<&str> = elements(headers).filter(|element| !refuses_identity(element)).collect();
    // What stood in headers can stand in one.
    let kept = HeaderValue::try_from(kept.join(",")).unwrap_or_else(|_| HeaderValue::from_static(""));
    headers.insert(header::ACCEPT_ENCODING, kept);
    request
}

/// Whether a caller with these headers takes an answer that is compressed (RFC 9110, section 12.5.3).
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let codings: Vec<(&str, bool)> = elements(headers).map(coding).collect();
    let named = |name: &str| codings.iter().find(|(coding, _)| coding.eq_ignore_ascii_case(name));
    named("gzip").or_else(|| named("*")).is_some_and(|(_, refused)| !refused)
}

/// What `Accept-Encoding` lists, over all of its lines.
fn elements(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(','))
}

/// A content coding, and whether it is refused.
fn coding(element: &str) -> (&str, bool) {
    let (coding, parameters) = element.split_once(';').unwrap_or((element, ""));
    let zero = |value: &str| value.starts_with('0') && value.bytes().all(|b| matches!(b, b'0' | b'.'));
    let quality = parameters.trim().split_once('=');
    let refused =
        quality.is_some_and(|(name, value)| name.trim().eq_ignore_ascii_case("q") && zero(value.trim()));
    (coding.trim(), refused)
}

/// `identity;q=0` or `*;q=0`.
fn refuses_identity(element: &str) -> bool {
    let (coding, refused) = coding(element);
    refused && (coding == "*" || coding.eq_ignore_ascii_case("identity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_of(values: &[&str]) -> Vec<String> {
        let mut request = Request::default();
        for value in values {
            request.headers_mut().append(header::ACCEPT_ENCODING, value.parse().unwrap());
        }
        let request = accept_identity(request);
        let left = request.headers().get_all(header::ACCEPT_ENCODING).iter();
        left.map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_refuses_a_plain_answer_is_disregarded() {
        assert!(left_of(&[]).is_empty());
        for (given, left) in [
            (&["gzip, br"][..], "gzip, br"),
            (&["gzip", "identity;q=0"], "gzip"),
            (&["identity; q=0.000, gzip"], " gzip"),
            (&["*;q=0"], ""),
            (&["IDENTITY;Q=0", "*;q=0.0"], ""),
            (&["identity;q=0.001, *;q=0.5, gzip;q=0"], "identity;q=0.001, *;q=0.5, gzip;q=0"),
            (&["identity;q=, *;q=00x"], "identity;q=, *;q=00x"),
        ] {
            assert_eq!(left_of(given), [left], "{given:?}");
        }
    }

    #[test]
    fn who_takes_gzip_says_so() {
        for (value, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("*;q=0", false),
            ("br", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(accepts_gzip(&headers), takes, "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
