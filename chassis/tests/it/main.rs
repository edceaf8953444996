//! The gRPC server that every service starts, tried over real sockets with a small service of its own.
//!
//! - `serving`: the server under test, and what its one method does
//! - the tests, by what is promised: `start`, `health`, `reflection`, `limits`, `panics`, `trace`, `metrics`, `drain`, `logs`

#![allow(clippy::unwrap_used, reason = "clippy's own exception covers test functions, not what they call")]

mod drain;
mod health;
mod limits;
mod logs;
mod metrics;
mod panics;
mod reflection;
mod serving;
mod start;
mod trace;
