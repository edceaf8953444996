//! The `order-system` binary: all services in one process, or one of them.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    all_in_one::cli::run()
}
