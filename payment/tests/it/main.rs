//! Payment from its failures to its process: the service over a real socket, and the binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy's own exception covers test functions, not what they call"
)]

#[path = "../stores/books.rs"]
mod books;
mod commands;
mod failures;
mod given;
mod process;
mod restart;
mod service;
