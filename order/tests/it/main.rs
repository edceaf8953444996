//! The Order service from outside: its application over fakes, its server over sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

mod commands;
mod fake;
mod placing;
mod reading;
mod reconciling;
mod samples;
mod service;
