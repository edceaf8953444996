//! The system seen from outside, by tools that share no code with it: gRPC clients in Python and Go, linters
//! of the contracts, a browser, and the shell that starts a service.
//!
//! A trial whose tool is not installed is ignored, and says so; `REQUIRE=grpcio,buf` makes the absence of
//! those a failure, as `.ci/run` does for all of them.

use std::process::ExitCode;

mod browser;
mod buf;
mod environment;
mod exchanges;
mod openapi;
mod service;
mod tool;
mod trial;

fn main() -> ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = [
        tool::trials(),
        environment::trials(),
        exchanges::trials(),
        buf::trials(),
        openapi::trials(),
        browser::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}
