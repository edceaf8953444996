//! Tests of the database servers: kill, freeze, options, and cleanup after a killed test process.

use std::process::ExitCode;

mod servers;

/// With this argument the binary starts a server, prints its process id, and waits to be killed.
const RUN_SERVER: &str = "--run-server";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.as_slice() {
        [_, flag, kind] if flag == RUN_SERVER => servers::run_server(kind),
        _ => test_support::run(servers::trials()),
    }
}
