//! The house with all its lights on: gateway, Order and Payment in one process.
//!
//! [`Stack`] is what `cargo run` runs by hand and what every system test and bench runs in: three real
//! services over real sockets, each with a database of its own.

pub mod audit;
mod options;
mod running;

pub use options::{Databases, Options, Ports};
pub use running::Stack;
