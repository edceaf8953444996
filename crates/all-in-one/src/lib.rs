//! The house with all its lights on: gateway, Order and Payment in one process.
//!
//! [`System`] is what `cargo run` runs by hand and what every system test and bench runs in: three real
//! services over real sockets, each with a database of its own.

pub mod audit;
pub mod cli;
mod options;
mod system;

pub use options::{Databases, Options, Ports};
pub use system::System;
