//! Code that the system tests and benches share.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "only the tests and benches of this package use it"
)]

pub mod client;
pub mod rng;
pub mod service_process;

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use test_support::server::Kind;

/// `DB_DRIVER` for this kind of server.
#[must_use]
pub fn db_driver(kind: Kind) -> &'static str {
    match kind {
        Kind::MariaDb => "mysql",
        Kind::Postgres => "postgres",
    }
}

/// A loopback address with a port that is free at the moment.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}
