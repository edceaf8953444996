//! The whole system on database servers of the test's own: started by the commands of the README, several
//! instances over one database, the server killed under load; and on a disk that is full or read-only.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

mod client;
mod commands;
mod disk;
mod instances;
mod killed;

use std::process::ExitCode;

use all_in_one::{Databases, Options, System};
use test_support::{
    Failed,
    server::{Kind, Server},
};

fn main() -> ExitCode {
    let on_servers = Kind::ALL
        .into_iter()
        .flat_map(|kind| [commands::trials(kind), instances::trials(kind), killed::trials(kind)]);
    test_support::run(on_servers.flatten().chain(disk::trials()))
}

/// `DB_DRIVER` for this kind of server.
fn driver(kind: Kind) -> &'static str {
    match kind {
        Kind::MariaDb => "mysql",
        Kind::Postgres => "postgres",
    }
}

/// Two systems, and so two instances of each service, over the same two databases of `server`.
async fn two_stacks(server: &Server, order: &str, payment: &str) -> Result<[System; 2], Failed> {
    let options = Options {
        databases: Some(Databases {
            driver: driver(server.kind()),
            order: server.url(order),
            payment: server.url(payment),
        }),
        ..Options::default()
    };
    let options = options.var("PAYMENT_CREDIT_LIMIT", 1_000_000);
    let (one, other) = tokio::join!(System::start_with(options.clone()), System::start_with(options));
    Ok([one.map_err(whole)?, other.map_err(whole)?])
}

/// An error with its causes.
fn whole(error: anyhow::Error) -> Failed {
    format!("{error:#}").into()
}
