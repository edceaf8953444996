//! The whole system on database servers that the test starts: the documented commands, several instances over
//! one database, and a server that is killed under load. On SQLite: a disk that is full or read-only.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test states its expectations by failing")]

mod documented_commands;
mod full_disk;
mod killed_server;
mod orders;
mod two_instances;

use std::process::ExitCode;

use all_in_one::{Databases, Options, System};
use system_tests::db_driver;
use test_support::{
    Failed,
    server::{Kind, Server},
};

fn main() -> ExitCode {
    let on_servers = Kind::ALL.into_iter().flat_map(|kind| {
        [documented_commands::trials(kind), two_instances::trials(kind), killed_server::trials(kind)]
    });
    test_support::run(on_servers.flatten().chain(full_disk::trials()))
}

/// Two systems, and so two instances of each service, over the same two databases of `server`.
async fn start_two_systems(server: &Server, order: &str, payment: &str) -> Result<[System; 2], Failed> {
    let options = Options {
        databases: Some(Databases {
            driver: db_driver(server.kind()),
            order: server.url(order),
            payment: server.url(payment),
        }),
        ..Options::default()
    };
    let options = options.var("PAYMENT_CREDIT_LIMIT", 1_000_000);
    let (first, second) = tokio::join!(System::start_with(options.clone()), System::start_with(options));
    Ok([first.map_err(with_causes)?, second.map_err(with_causes)?])
}

/// An error with its causes.
fn with_causes(error: anyhow::Error) -> Failed {
    format!("{error:#}").into()
}
