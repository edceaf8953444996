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

use crate::{field_list, limits};

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

/// Replaces `Accept-Encoding` by the coding to use, so that [`accepts_gzip`] alone decides.
///
/// A client cannot reject an uncompressed response: a server may disregard `identity;q=0` (RFC 9110, section
/// 12.4.1), and the compression layer would turn an order that was placed and charged into a 406.
pub(super) fn select_coding(mut request: Request) -> Request {
    if request.headers().contains_key(header::ACCEPT_ENCODING) {
        let coding = if accepts_gzip(request.headers()) { "gzip" } else { "identity" };
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static(coding));
    }
    request
}

/// Whether a client with these request headers accepts gzip (RFC 9110, section 12.5.3).
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let codings: Vec<(&str, u16)> = field_list::weighted(headers, &header::ACCEPT_ENCODING).collect();
    let named = |name: &str| codings.iter().find(|(coding, _)| coding.eq_ignore_ascii_case(name));
    // Section 8.4.1.3: x-gzip is the same coding.
    named("gzip").or_else(|| named("x-gzip")).or_else(|| named("*")).is_some_and(|(_, weight)| *weight > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_coding_replaces_the_accepted_ones() {
        assert!(select_coding(Request::default()).headers().is_empty());
        for (values, expected) in [
            (&["gzip, br"][..], "gzip"),
            (&["br", "GZIP;q=0.5"], "gzip"),
            (&["gzip", "identity;q=0"], "gzip"),
            (&["*;q=0"], "identity"),
            (&["identity;q=0"], "identity"),
            (&[""], "identity"),
        ] {
            let mut request = Request::default();
            for value in values {
                request.headers_mut().append(header::ACCEPT_ENCODING, value.parse().unwrap());
            }
            let selected = select_coding(request);
            let codings: Vec<_> = selected.headers().get_all(header::ACCEPT_ENCODING).iter().collect();
            assert_eq!(codings, [expected], "{values:?}");
        }
    }

    #[test]
    fn gzip_is_accepted_by_name_or_wildcard() {
        for (value, accepted) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("x-gzip", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("gzip;q=0.000", false),
            ("gzip;q=", false),
            ("gzip;q=0.0001", false),
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
