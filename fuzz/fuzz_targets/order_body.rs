//! Fuzzes the body of `POST /orders`: it is an order, or a bounded list of violations.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| gateway::fuzzing::body(bytes));
