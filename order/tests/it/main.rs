//! Tests of Order: the application over fakes, the server over sockets, and the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod commands;
mod placing;
mod reading;
mod reconciling;
mod service;
