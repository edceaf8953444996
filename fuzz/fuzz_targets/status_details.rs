//! Fuzzes the mapping of a gRPC status with details to a problem: the result is a 4xx or 5xx response.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &str, &[u8])| gateway::fuzzing::status(input.0, input.1, input.2));
