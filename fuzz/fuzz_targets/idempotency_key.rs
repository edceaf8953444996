//! Fuzzes the `Idempotency-Key` header: every request has an effective key, and the key in the response is
//! valid.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| gateway::fuzzing::idempotency_key(bytes));
