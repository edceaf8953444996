//! What a browser may do with an answer, and who may keep it.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// An answer of the API is data: a browser that shows it loads nothing, runs nothing and puts it in no frame.
const CONTENT_SECURITY_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// Orders and problems are about one customer at one moment.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// A year. Subdomains are not this program's to speak for.
const STRICT_TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=31536000");

const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Of every answer, whatever its handler says.
const ALWAYS: [(HeaderName, HeaderValue); 5] = [
    // What is served is of the type it says, whatever a browser makes of its bytes.
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // For browsers that do not know frame-ancestors.
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // Pages of other origins embed nothing of this one; CORS, which is asked for, is another matter.
    (CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
    (CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin")),
];

/// Adds to the headers of an answer what every one has, and what most have where the handler said nothing else.
///
/// `https` is whether the public comes by TLS: over plain HTTP there must be no Strict-Transport-Security
/// (RFC 6797, section 7.2).
pub(crate) fn insert(headers: &mut HeaderMap, https: bool) {
    headers.extend(ALWAYS);
    if https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT_SECURITY);
    }
    insert_missing(headers, header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    insert_missing(headers, header::CACHE_CONTROL, NO_STORE);
}

fn insert_missing(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.entry(name).or_insert(value);
}
