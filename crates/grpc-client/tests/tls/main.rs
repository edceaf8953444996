//! TLS between a client and a server of this crate, over real sockets, with certificates made for each test.
//!
//! Support: `authority` (certificate authorities and their files), `handshake` (one connection and its
//! result), `log`.

#![allow(clippy::unwrap_used, reason = "clippy's own exception covers test functions, not what they call")]

mod authority;
mod client_auth;
mod files;
mod handshake;
mod log;
mod reload;
mod server_auth;
