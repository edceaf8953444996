//! Security headers and the default `Cache-Control`.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// API responses are data: a browser loads nothing for them, runs nothing and shows them in no frame.
const CONTENT_SECURITY_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// Orders and problems belong to one user at one moment.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// One year; without subdomains, which may belong to other servers.
const STRICT_TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=31536000");

const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Headers of every response.
const ALWAYS: [(HeaderName, HeaderValue); 5] = [
    // Browsers must not guess another content type from the bytes.
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // For browsers without frame-ancestors.
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // Pages of other origins cannot embed responses; CORS requests are not affected.
    (CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
    (CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin")),
];

/// Inserts the security headers; `Content-Security-Policy` and `Cache-Control` only where the handler set
/// none.
///
/// `https` is whether clients reach the gateway by TLS: plain HTTP must not carry Strict-Transport-Security
/// (RFC 6797, section 7.2).
pub(crate) fn insert(headers: &mut HeaderMap, https: bool) {
    headers.extend(ALWAYS);
    if https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT_SECURITY);
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(CONTENT_SECURITY_POLICY);
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
}
