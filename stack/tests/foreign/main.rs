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
mod load_reports;
mod metrics;
mod openapi;
mod proxies;
mod service;
mod tree;

fn main() -> ExitCode {
    let trials = [
        environment::trials(),
        exchanges::trials(),
        load_reports::trials(),
        metrics::trials(),
        buf::trials(),
        openapi::trials(),
        proxies::trials(),
        browser::trials(),
    ];
    trials::run(trials.into_iter().flatten())
}
