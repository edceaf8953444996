//! The gRPC server that every service starts, tried over real sockets with a small service of its own.
//!
//! - `serving`: the server under test, and what its one method does
//! - the tests, by what is promised: `start`, `health`, `reflection`, `limits`, `deadlines`, `load`,
//!   `panics`, `trace`, `metrics`, `drain`, `secured`, `logs`
//! - `wire`: calls with headers and trailers that generated clients do not show

#![allow(clippy::unwrap_used, reason = "clippy's own exception covers test functions, not what they call")]

mod deadlines;
mod drain;
mod health;
mod limits;
mod load;
mod logs;
mod metrics;
mod panics;
mod reflection;
mod rotation;
mod serving;
mod start;
mod tls;
mod trace;
mod wire;
