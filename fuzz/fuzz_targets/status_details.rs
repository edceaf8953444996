//! A status with details, as a backend may send them: a problem comes of it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &str, &[u8])| gateway::fuzzing::status(input.0, input.1, input.2));
