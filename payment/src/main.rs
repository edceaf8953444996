//! Payment as a process of its own, configured by its environment.

use std::process::ExitCode;

use chassis::env::Vars;
use payment::Config;

/// The allocator of every process of the system: at the gateway it was the fastest of those measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    chassis::process::run(Config::read(&Vars::from_process()), |config| &config.process, payment::run)
}
