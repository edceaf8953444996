//! Fuzzes the service config parser: a text is accepted, or the error is not empty.

#![no_main]

use grpc_client::ServiceConfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match text.parse::<ServiceConfig>() {
        Ok(_) => assert!(text.parse::<ServiceConfig>().is_ok()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
