//! `Idempotency-Key`, as anyone may send it: there is always a key in effect, and what is shown of it may be sent.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| gateway::fuzzing::idempotency_key(bytes));
