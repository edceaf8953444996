//! Access to private functions for the fuzz targets in `fuzz/`. Compiled only by cargo-fuzz.

use axum::response::IntoResponse;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use tonic::{Code, Status};

use crate::{
    key::{self, IDEMPOTENCY_KEY},
    limits, orders,
    problem::{ProblemContext, RequestFacts, from_backend_status},
};

/// Parses a request body.
pub fn body(bytes: &[u8]) {
    if let Err(violations) = orders::read_body(bytes) {
        assert!((1..=limits::VIOLATIONS_MAX + 1).contains(&violations.len()), "{}", violations.len());
    }
}

/// Parses the values of `Idempotency-Key`, one per line.
pub fn idempotency_key(bytes: &[u8]) {
    let values = bytes.split(|byte| *byte == b'\n').filter_map(|value| HeaderValue::from_bytes(value).ok());
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(IDEMPOTENCY_KEY, value);
    }
    let effective = key::effective(&headers);
    // The key of a response is valid in the next request.
    let response_headers = HeaderMap::from_iter([(IDEMPOTENCY_KEY, effective.key.to_header())]);
    let again = key::effective(&response_headers);
    assert!(again.violation.is_none());
    let text = effective.key.into_string();
    assert!(limits::KEY_CHARS.contains(&text.chars().count()), "{text:?}");
    assert_eq!(again.key.into_string(), text);
}

/// Converts a backend's status with any details into a problem.
pub fn status(code: u8, message: &str, details: &[u8]) {
    let code = Code::from_i32(i32::from(code % 17));
    let status = Status::with_details(code, message, Bytes::copy_from_slice(details));
    for write in [true, false] {
        let facts = RequestFacts {
            write,
            accept_language: Some(HeaderValue::from_static("de, en;q=0.5")),
            ..RequestFacts::default()
        };
        let response = from_backend_status(&status, &facts, &ProblemContext::default()).into_response();
        assert!(response.status().is_client_error() || response.status().is_server_error());
    }
}
