//! The body of `POST /orders`, as anyone may send it: an order, or every fault in it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| gateway::fuzzing::body(bytes));
