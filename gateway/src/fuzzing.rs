//! What the fuzz targets in `fuzz/` call: there is no other way in for what is private. In no build but cargo-fuzz's.

use axum::response::IntoResponse;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use tonic::{Code, Status};

use crate::{
    key::{self, IDEMPOTENCY_KEY},
    limits, orders,
    problem::{ProblemContext, RequestFacts, from_backend_status},
};

/// A request's body.
pub fn body(bytes: &[u8]) {
    if let Err(violations) = orders::read_body(bytes) {
        assert!((1..=limits::VIOLATIONS_MAX + 1).contains(&violations.len()), "{}", violations.len());
    }
}

/// The values of `Idempotency-Key`, one per line.
pub fn idempotency_key(bytes: &[u8]) {
    let values = bytes.split(|byte| *byte == b'\n').filter_map(|value| HeaderValue::from_bytes(value).ok());
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(IDEMPOTENCY_KEY, value);
    }
    let in_effect = key::effective(&headers);
    // What an answer shows is what the next request may send.
    let shown = HeaderMap::from_iter([(IDEMPOTENCY_KEY, in_effect.key.to_header())]);
    let again = key::effective(&shown);
    assert!(again.violation.is_none());
    let text = in_effect.key.into_text();
    assert!(limits::KEY_CHARS.contains(&text.chars().count()), "{text:?}");
    assert_eq!(again.key.into_text(), text);
}

/// A status that a backend answered with: a problem is made of it, whatever its details are.
pub fn status(code: u8, message: &str, details: &[u8]) {
    let code = Code::from_i32(i32::from(code % 17));
    let status = Status::with_details(code, message, Bytes::copy_from_slice(details));
    for write in [true, false] {
        let asked = RequestFacts {
            write,
            accept_language: Some(HeaderValue::from_static("de, en;q=0.5")),
            ..RequestFacts::default()
        };
        let response = from_backend_status(&status, &asked, &ProblemContext::default()).into_response();
        assert!(response.status().is_client_error() || response.status().is_server_error());
    }
}
