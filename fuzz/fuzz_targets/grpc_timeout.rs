//! `Grpc-Timeout`, as anyone may send it: what is read is written again as no more, and hardly less.

#![no_main]

use std::time::Duration;

use grpc_client::timeout::{format, parse};
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;

/// Eight digits, of microseconds, milliseconds or seconds.
const PRECISION: f64 = 1e-5;
const FINEST: Duration = Duration::from_micros(1);
const MOST: Duration = Duration::from_secs(99_999_999);

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let Some(left) = parse(&value) else { return };
    let again = parse(&format(left)).expect("what is written can be read");
    assert!(again <= left, "{left:?} {again:?}");
    let lost = left.min(MOST) - again;
    assert!(lost <= left.mul_f64(PRECISION).max(FINEST), "{left:?} {again:?}");
});
