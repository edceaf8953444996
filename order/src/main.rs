//! The Order service as a process of its own, configured by its environment.

use std::process::ExitCode;

use service_kit::env::Vars;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    order::cli::run(std::env::args_os(), &Vars::from_process())
}
