//! Gateway, Order and Payment in one process.
//!
//! `cargo run` starts a [`System`], and so do system tests and benchmarks: three services that talk over
//! sockets, each service with its own database.

pub mod audit;
pub mod cli;
mod options;
mod system;

pub use options::{Databases, Options, Ports};
pub use system::System;
