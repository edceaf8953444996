//! Support for integration tests: trials with requirements, database servers, fakes of ports.
//!
//! A trial is a test of libtest-mimic. It is ignored, with the reason, if something it needs is not
//! installed; `REQUIRE=mariadb,buf` turns a missing tool into a failure. A test binary of trials has
//! `harness = false` and a `main` that calls [`run`]. Plain test functions become trials by [`tests!`].

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

pub use libtest_mimic::{Failed, Trial};

mod command;
mod need;
pub mod order;
pub mod payment;
pub mod server;
pub mod statements;
mod trial;

pub use command::{output, output_within, succeed, texts};
pub use need::{Need, program, variable};
pub use trial::{check, multi_thread_test, test, trial};

/// The `main` of a test binary: runs the `trials` that the command line selects, then stops the shared
/// servers.
pub fn run(trials: impl IntoIterator<Item = Trial>) -> ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = trials.into_iter().chain([need::trial_of_required_names()]).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    server::stop_shared();
    conclusion.exit_code()
}

/// The root directory of the workspace.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap_or_default()
}
