//! TLS between a client and a server of this crate, over real sockets, with certificates made for each test.
//!
//! - `authority`: authorities that issue certificates, and files of them
//! - `meeting`: one connection, and what either side saw of it
//! - `log`: what was warned of
//! - the tests, by what is promised: `files`, `clients` and `servers` that are refused or not, `replaced`

#![allow(clippy::unwrap_used, reason = "clippy's own exception covers test functions, not what they call")]

mod authority;
mod client_auth;
mod files;
mod handshake;
mod log;
mod reload;
mod server_auth;
