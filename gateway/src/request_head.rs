//! Checks and normalizes the head of a request before it is routed, as RFC 9110, 9112 and 9113 require of a
//! server, where the HTTP library does not.
//!
//! The library rejects heads that do not parse, and invalid message framing. It ignores a fragment in the
//! request target, which never reaches this module.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version, header, uri::PathAndQuery};

use crate::{
    limits::TARGET_BYTES_MAX,
    problem::{Problem, Violation},
};

/// The methods of the resources, for `OPTIONS *`.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");

/// Decodes the percent-encoded unreserved characters of the path: both spellings name one resource (RFC 3986,
/// sections 2.3 and 6.2.2.2).
pub(crate) fn normalize_path<B>(request: &mut Request<B>) {
    let path = request.uri().path();
    if !path.contains('%') {
        return;
    }
    let Some(mut decoded) = decode_unreserved(path) else { return };
    if let Some(query) = request.uri().query() {
        decoded.push('?');
        decoded.push_str(query);
    }
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    // Unreserved characters are valid in a path, so this cannot fail.
    parts.path_and_query = PathAndQuery::try_from(decoded).ok();
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}

/// `path` with its unreserved characters decoded; `None` if it has none that is encoded.
fn decode_unreserved(path: &str) -> Option<String> {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, encoded) = rest.split_at(at);
        decoded.push_str(before);
        let digits = encoded.get(1..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let unreserved = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        let (character, length) = byte.filter(unreserved).map_or(('%', 1), |byte| (char::from(byte), 3));
        decoded.push(character);
        rest = &encoded[length..];
    }
    decoded.push_str(rest);
    (decoded.len() < path.len()).then_some(decoded)
}

/// Rejects a request whose recipient or length is in doubt: 400 for an invalid host, target or field, 400 or
/// 501 for an invalid `Transfer-Encoding`.
///
/// An HTTP/1 connection closes after it: a proxy in front may have understood the request differently.
pub(crate) fn reject_ambiguous<B>(request: &Request<B>) -> Option<Response> {
    let mut response = ambiguity(request)?.into_response();
    if request.version() < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Some(response)
}

/// The response to a request that no resource handles: 414 for a request target of more than
/// [`TARGET_BYTES_MAX`] bytes, 501 for an unknown method, 204 for `OPTIONS *`.
pub(crate) fn respond_without_resource<B>(request: &Request<B>) -> Option<Response> {
    if target_length(request.uri()) > TARGET_BYTES_MAX {
        return Some(Problem::uri_too_long().into_response());
    }
    if !is_known(request.method()) {
        return Some(Problem::method_not_implemented().into_response());
    }
    let is_asterisk = request.uri().path() == "*";
    (is_asterisk && request.method() == Method::OPTIONS)
        .then(|| (StatusCode::NO_CONTENT, [(header::ALLOW, METHODS)]).into_response())
}

/// The problem of a request whose recipient or length is in doubt.
fn ambiguity<B>(request: &Request<B>) -> Option<Problem> {
    let faults = [host_fault(request), target_fault(request), field_fault(request)].into_iter().flatten();
    let violations: Vec<Violation> =
        faults.map(|(field, detail)| Violation::new(field, None, detail)).collect();
    if !violations.is_empty() {
        return Some(Problem::invalid(violations));
    }
    match transfer_codings(request.headers()) {
        TransferCodings::Supported => None,
        TransferCodings::Repeated => {
            let detail = "the header Transfer-Encoding must name chunked once";
            Some(Problem::invalid(vec![Violation::new("transfer_encoding", None, detail)]))
        }
        TransferCodings::Unknown => Some(Problem::transfer_coding_not_implemented()),
    }
}

type Fault = (&'static str, &'static str);

/// What is wrong with the host that a request names.
///
/// HTTP/1.1 requires one valid `Host` (RFC 9112, section 3.2), HTTP/2 the host in `:authority` or in `Host`,
/// and the same one in both (RFC 9113, section 8.3.1).
fn host_fault<B>(request: &Request<B>) -> Option<Fault> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let valid = |host: &[u8]| is_host(host).then_some(()).ok_or("is not a host with an optional port");
    let checked = match (request.version(), host, another, authority) {
        (_, _, Some(_), _) => Err("the header Host must be given once"),
        (Version::HTTP_2, Some(host), None, Some(authority)) if !is_same(host.as_bytes(), authority) => {
            Err("the header Host and :authority must be the same")
        }
        (_, Some(host), None, authority) => valid(host.as_bytes()).and(authority.map_or(Ok(()), valid)),
        (_, None, None, Some(authority)) if request.version() != Version::HTTP_11 => valid(authority),
        (Version::HTTP_09 | Version::HTTP_10, None, None, None) => Ok(()),
        (_, None, None, _) => Err("the header Host is missing"),
    };
    checked.err().map(|detail| ("host", detail))
}

/// Whether two hosts are the same but for case and the default port.
fn is_same(host: &[u8], authority: &[u8]) -> bool {
    let name = |host: &'_ [u8]| {
        let without_port = host.strip_suffix(b":80").or_else(|| host.strip_suffix(b":443"));
        without_port.unwrap_or(host).to_ascii_lowercase()
    };
    name(host) == name(authority)
}

/// Whether `host` is `uri-host [ ":" port ]` of RFC 9110, section 7.2, without user information and not
/// empty.
fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !host.ends_with(b"]") => (&host[..colon], &host[colon + 1..]),
        _ => (host, &b""[..]),
    };
    let name_is_valid = match name.strip_prefix(b"[") {
        Some(literal) => literal.strip_suffix(b"]").is_some_and(is_ip_literal),
        None => is_registered_name(name),
    };
    name_is_valid && port.iter().all(u8::is_ascii_digit)
}

/// An IPv6 address without brackets. `IPvFuture` has no use.
fn is_ip_literal(literal: &[u8]) -> bool {
    str::from_utf8(literal).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok())
}

/// An IPv4 address or a `reg-name` (RFC 3986, section 3.2.2), not empty.
fn is_registered_name(name: &[u8]) -> bool {
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        let valid = match byte {
            b'%' => (0..2).all(|_| bytes.next().is_some_and(u8::is_ascii_hexdigit)),
            b'-' | b'.' | b'_' | b'~' => true,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => true,
            byte => byte.is_ascii_alphanumeric(),
        };
        if !valid {
            return false;
        }
    }
    !name.is_empty()
}

/// What is wrong with the values of fields: over HTTP/2 they neither begin nor end with white space (RFC 9113,
/// section 8.2.1). The HTTP/1 parser removes it.
fn field_fault<B>(request: &Request<B>) -> Option<Fault> {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let padded =
        |value: &HeaderValue| is_space(value.as_bytes().first()) || is_space(value.as_bytes().last());
    (request.version() == Version::HTTP_2 && request.headers().values().any(padded))
        .then_some(("headers", "a header must neither begin nor end with white space"))
}

/// What is wrong with the request target: it must be a path, an http or https URI, or `*` with OPTIONS (RFC
/// 9112, section 3.2). A proxy's authority form is rejected with its method, CONNECT.
fn target_fault<B>(request: &Request<B>) -> Option<Fault> {
    let (method, uri) = (request.method(), request.uri());
    let path_fits = match uri.path() {
        "*" => method == Method::OPTIONS,
        path => path.starts_with('/') || method == Method::CONNECT,
    };
    let is_ascii = uri.path_and_query().is_none_or(|target| target.as_str().is_ascii());
    let scheme_fits = uri.scheme_str().is_none_or(|scheme| matches!(scheme, "http" | "https"));
    (!path_fits || !is_ascii || !scheme_fits)
        .then_some(("target", "the request target must be a path, or an http or https URI, in ASCII"))
}

fn target_length(uri: &Uri) -> usize {
    uri.path().len() + uri.query().map_or(0, |query| query.len() + 1)
}

/// Whether the method is one of RFC 9110 or RFC 5789 that a resource may have. CONNECT is for proxies.
fn is_known(method: &Method) -> bool {
    const KNOWN: [Method; 8] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
        Method::TRACE,
    ];
    KNOWN.contains(method)
}

enum TransferCodings {
    /// None, or `chunked`.
    Supported,
    /// `chunked` more than once (RFC 9112, section 6.1).
    Repeated,
    /// Another coding; the body would be passed on encoded.
    Unknown,
}

fn transfer_codings(headers: &HeaderMap) -> TransferCodings {
    let mut values = headers.get_all(header::TRANSFER_ENCODING).iter().peekable();
    if values.peek().is_none() {
        return TransferCodings::Supported;
    }
    let codings = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let codings = codings.map(<[u8]>::trim_ascii).filter(|coding| !coding.is_empty());
    let (chunked, others): (Vec<&[u8]>, Vec<&[u8]>) =
        codings.partition(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    match (chunked.len(), others.len()) {
        (0 | 1, 0) => TransferCodings::Supported,
        (_, 0) => TransferCodings::Repeated,
        _ => TransferCodings::Unknown,
    }
}

#[cfg(test)]
mod tests;
