//! Trials: tests that need something which may not be installed, and database servers of their own.
//!
//! A trial whose need is not met counts as ignored, with the reason; `REQUIRE=mariadb,buf` makes the absence
//! of those a failure. A test binary of trials has `harness = false` and a `main` that calls [`run`].

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

pub use libtest_mimic::{Failed, Trial};

mod command;
mod need;
pub mod payment;
pub mod server;
pub mod statements;
mod trial;

pub use command::{output, output_within, succeed, texts};
pub use need::{Need, program, variable};
pub use trial::{check, trial};

/// The `main` of a test binary: runs those of `trials` that the command line asks for, then stops the
/// servers that they shared.
pub fn run(trials: impl IntoIterator<Item = Trial>) -> ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = trials.into_iter().chain([need::trial_of_names()]).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    server::stop_shared();
    conclusion.exit_code()
}

/// The root of the workspace: where README.md and the documents are.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap_or_default()
}
