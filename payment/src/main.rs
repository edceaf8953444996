//! Payment as a process of its own, configured by its environment and told what to do by its arguments.

use std::process::ExitCode;

use service_kit::env::Vars;

/// The allocator of every process of the system: at the gateway it was the fastest of those measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    payment::cli::run(std::env::args_os(), &Vars::from_process())
}
