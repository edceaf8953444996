//! The system seen from outside, by tools that share no code with it: gRPC clients in Python and Go, linters
//! of the contracts, a client that was generated, a fuzzer, a browser, and the shell that starts a service.
//!
//! A trial whose tool is not installed is ignored, and says so; `REQUIRE=grpcio,buf` makes the absence of
//! those a failure, as `.ci/run` does for all of them.

use std::process::ExitCode;

mod browser;
mod buf;
mod containers;
mod environment;
mod exchanges;
mod generated_client;
mod load_reports;
mod metrics;
mod openapi;
mod proxies;
mod samples;
mod schemathesis;
mod service;
mod tokens;
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
        generated_client::trials(),
        samples::trials(),
        schemathesis::trials(),
        containers::trials(),
        browser::trials(),
    ];
    test_support::run(trials.into_iter().flatten())
}
