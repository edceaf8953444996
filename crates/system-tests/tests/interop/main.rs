//! The system tested by programs that share no code with it: gRPC clients in Python and Go, HTTP/2 frame by
//! frame, linters of the contracts, generated clients, a fuzzer, a browser, load balancers, and a shell that
//! starts a service.
//!
//! A trial whose program is not installed is skipped, with a message. `REQUIRE=grpcio,buf` fails where one of
//! these is missing; `.ci/run` requires all of them.

use std::process::ExitCode;

mod access_token;
mod buf;
mod containers;
mod environment;
mod examples;
mod generated_clients;
mod grpcio;
mod http2;
mod load_balancers;
mod load_reports;
mod openapi_linters;
mod openapi_samples;
mod paths;
mod promtool;
mod schemathesis;
mod swagger_ui;

fn main() -> ExitCode {
    let trials = [
        environment::trials(),
        grpcio::trials(),
        http2::trials(),
        load_reports::trials(),
        promtool::trials(),
        buf::trials(),
        openapi_linters::trials(),
        load_balancers::trials(),
        generated_clients::trials(),
        examples::trials(),
        openapi_samples::trials(),
        schemathesis::trials(),
        containers::trials(),
        swagger_ui::trials(),
    ];
    test_support::run(trials.into_iter().flatten())
}

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_system-under-test");
