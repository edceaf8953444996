//! Tests on SQLite files and on MariaDB and PostgreSQL servers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::process::ExitCode;

mod fixtures;
mod group_commit;
mod relay;
mod servers;
mod sqlite;
mod sqlite_files;

fn main() -> ExitCode {
    let mut trials = sqlite::trials();
    trials.extend(sqlite_files::trials());
    trials.extend(group_commit::trials());
    trials.extend(servers::trials());
    test_support::run(trials)
}
