//! Tests of Payment: the contracts of its ports on every store, failures of the database, the service over a
//! socket, and the binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy's own exception covers test functions, not what they call"
)]

use std::process::ExitCode;

mod commands;
mod contract;
mod failures;
mod fixtures;
mod process;
mod restart;
mod running_service;
mod service;
mod statements;
mod unknown_values;

fn main() -> ExitCode {
    let mut trials = contract::trials();
    trials.extend(statements::trials());
    trials.extend(commands::trials());
    trials.extend(failures::trials());
    trials.extend(process::trials());
    trials.extend(restart::trials());
    trials.extend(service::trials());
    trials.extend(unknown_values::trials());
    test_support::run(trials)
}
