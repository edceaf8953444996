//! The committed OpenAPI document, and the command line.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "clippy's own exception covers test functions, not what they call"
)]

mod commands;

use std::{fs, path::Path};

#[test]
#[allow(clippy::disallowed_methods, reason = "the switch that updates the committed document")]
fn the_committed_document_equals_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi/openapi.json");
    let generated = gateway::openapi::document_json();
    if std::env::var("UPDATE_OPENAPI").is_ok_and(|value| value == "1") {
        fs::write(&path, &generated).expect("writable");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "openapi.json is stale: run UPDATE_OPENAPI=1 cargo test -p gateway");
}
