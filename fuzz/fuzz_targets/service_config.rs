//! A service config as an operator may write it: it is read, or what is wrong is said.

#![no_main]

use grpc_client::ServiceConfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match text.parse::<ServiceConfig>() {
        // What was read once is read again.
        Ok(_) => assert!(text.parse::<ServiceConfig>().is_ok()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
