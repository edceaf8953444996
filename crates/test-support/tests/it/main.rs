//! The servers that trials are given: they answer, survive what is done to them, and leave nothing behind.

use std::process::ExitCode;

mod servers;

/// Makes this binary a process that starts a server, prints its process id, and waits to be killed.
const HOLD: &str = "--hold-a-server";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.as_slice() {
        [_, hold, kind] if hold == HOLD => servers::hold(kind),
        _ => test_support::run(servers::trials()),
    }
}
