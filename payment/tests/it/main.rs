//! Payment from its port to its process: the contract of the ledger over every adapter, the service over a
//! real socket, and the binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy's own exception covers test functions, not what they call"
)]

mod failures;
mod fake;
mod given;
mod ledger;
mod process;
mod restart;
mod service;
