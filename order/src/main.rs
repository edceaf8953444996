//! The Order service as a process of its own, configured by its environment.

use std::process::ExitCode;

use chassis::env::Vars;
use order::Config;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    chassis::process::run(Config::read(&Vars::from_process()), |config| &config.process, order::run)
}
