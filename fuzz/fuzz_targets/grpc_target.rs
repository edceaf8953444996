//! Where a service is, as an operator may write it: what is accepted reads the same again from what it shows.

#![no_main]

use grpc_client::Target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match text.parse::<Target>() {
        Ok(target) => {
            let shown = target.to_string();
            let again = shown.parse::<Target>().expect("what is shown is a target");
            assert_eq!(again.to_string(), shown);
            for has_tls in [true, false] {
                assert_eq!(
                    target.is_plaintext_off_loopback(has_tls),
                    again.is_plaintext_off_loopback(has_tls)
                );
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
