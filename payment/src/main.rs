//! The binary `payment`.

use std::process::ExitCode;

use service_kit::env::Vars;

/// The allocator of every process of the system; the fastest of those measured at the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    payment::cli::run(std::env::args_os(), &Vars::from_process())
}
