//! Keeps the committed OpenAPI document equal to what the code makes; the program's command line.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "clippy's own exception covers test functions, not what they call"
)]

mod commands;

use std::{fs, path::Path};

#[test]
#[allow(clippy::disallowed_methods, reason = "the one switch that turns the comparison into an update")]
fn the_committed_document_is_the_one_that_the_code_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi/openapi.json");
    let made = gateway::openapi::document_json();
    if std::env::var("UPDATE_OPENAPI").is_ok_and(|value| value == "1") {
        fs::write(&path, &made).expect("writable");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "openapi.json is stale: run UPDATE_OPENAPI=1 cargo test -p gateway");
}
