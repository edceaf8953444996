//! The program under test: `order-system`, built with fault injection.
//!
//! The features that switch fault injection on are those of `[dev-dependencies]`, which cargo enables only
//! when it builds tests and benches. A binary of this package is what gives them
//! `CARGO_BIN_EXE_system-under-test`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    all_in_one::cli::run()
}
