//! Fuzzes `Target`: an accepted text parses to the same target again after being displayed.

#![no_main]

use grpc_client::Target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match text.parse::<Target>() {
        Ok(target) => {
            let displayed = target.to_string();
            let again = displayed.parse::<Target>().expect("a displayed target is a target");
            assert_eq!(again.to_string(), displayed);
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
