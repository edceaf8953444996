//! Fuzzes the `grpc-timeout` header: a parsed value is formatted as a value that is not longer, and hardly
//! shorter.

#![no_main]

use std::time::Duration;

use grpc_client::timeout::{format, parse};
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;

/// Relative precision of eight digits in the unit that `format` chooses.
const PRECISION: f64 = 1e-5;
/// The finest unit of `format`.
const UNIT_MIN: Duration = Duration::from_micros(1);
/// The longest value of `format`.
const VALUE_MAX: Duration = Duration::from_secs(99_999_999);

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let Some(timeout) = parse(&value) else { return };
    let again = parse(&format(timeout)).expect("a formatted timeout parses");
    assert!(again <= timeout, "{timeout:?} {again:?}");
    let difference = timeout.min(VALUE_MAX) - again;
    assert!(difference <= timeout.mul_f64(PRECISION).max(UNIT_MIN), "{timeout:?} {again:?}");
});
