//! Compression of responses: gzip, for texts above a minimum length.
//!
//! Brotli would save a tenth more, at the cost of a dictionary in the binary and megabytes of memory per
//! response.

use axum::extract::Request;
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, Version, header};
use tower_http::compression::{
    CompressionLayer,
    predicate::{Predicate, SizeAbove},
};

use crate::limits;

/// Media types that compress well; images are compressed already.
const COMPRESSED: [&str; 6] = [
    "application/json",
    "application/problem+json",
    "text/html",
    "text/css",
    "text/javascript",
    "application/javascript",
];

/// Compresses long texts where the client accepts gzip, and adds `Vary: accept-encoding`.
pub(super) fn layer() -> CompressionLayer<impl Predicate> {
    let long = SizeAbove::new(limits::COMPRESSED_BYTES_MIN);
    CompressionLayer::new().gzip(true).compress_when(long.and(is_text))
}

fn is_text(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    COMPRESSED.iter().any(|text| essence.eq_ignore_ascii_case(text))
}

/// Removes from `Accept-Encoding` the elements that reject an uncompressed response. A server may disregard
/// them (RFC 9110, section 12.4.1); the compression layer would turn an order that was placed and charged
/// into a 406.
pub(super) fn accept_identity(mut request: Request) -> Request {
    let headers = request.headers_mut();
    if !headers.contains_key(header::ACCEPT_ENCODING) {
        return request;
    }
    let codings: Vec<&str> = elements(headers).filter(|element| !refuses_identity(element)).collect();
    // Parts of valid header values are a valid header value.
    let codings = HeaderValue::try_from(codings.join(",")).unwrap_or_else(|_| HeaderValue::from_static(""));
    headers.insert(header::ACCEPT_ENCODING, codings);
    request
}

/// Whether a client with these request headers accepts gzip (RFC 9110, section 12.5.3).
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let codings: Vec<(&str, bool)> = elements(headers).map(coding).collect();
    let named = |name: &str| codings.iter().find(|(coding, _)| coding.eq_ignore_ascii_case(name));
    named("gzip").or_else(|| named("*")).is_some_and(|(_, rejected)| !rejected)
}

/// The elements of `Accept-Encoding`, over all of its lines.
fn elements(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(','))
}

/// A content coding, and whether `q=0` rejects it.
fn coding(element: &str) -> (&str, bool) {
    let (coding, parameters) = element.split_once(';').unwrap_or((element, ""));
    let zero = |value: &str| value.starts_with('0') && value.bytes().all(|b| matches!(b, b'0' | b'.'));
    let quality = parameters.trim().split_once('=');
    let rejected =
        quality.is_some_and(|(name, value)| name.trim().eq_ignore_ascii_case("q") && zero(value.trim()));
    (coding.trim(), rejected)
}

/// `identity;q=0` or `*;q=0`.
fn refuses_identity(element: &str) -> bool {
    let (coding, rejected) = coding(element);
    rejected && (coding == "*" || coding.eq_ignore_ascii_case("identity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_removal(values: &[&str]) -> Vec<String> {
        let mut request = Request::default();
        for value in values {
            request.headers_mut().append(header::ACCEPT_ENCODING, value.parse().unwrap());
        }
        let request = accept_identity(request);
        let values = request.headers().get_all(header::ACCEPT_ENCODING).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn elements_that_reject_an_uncompressed_response_are_removed() {
        assert!(after_removal(&[]).is_empty());
        for (values, expected) in [
            (&["gzip, br"][..], "gzip, br"),
            (&["gzip", "identity;q=0"], "gzip"),
            (&["identity; q=0.000, gzip"], " gzip"),
            (&["*;q=0"], ""),
            (&["IDENTITY;Q=0", "*;q=0.0"], ""),
            (&["identity;q=0.001, *;q=0.5, gzip;q=0"], "identity;q=0.001, *;q=0.5, gzip;q=0"),
            (&["identity;q=, *;q=00x"], "identity;q=, *;q=00x"),
        ] {
            assert_eq!(after_removal(values), [expected], "{values:?}");
        }
    }

    #[test]
    fn gzip_is_accepted_by_name_or_wildcard() {
        for (value, accepted) in [
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
            assert_eq!(accepts_gzip(&headers), accepted, "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
