//! Databases on servers of the test's own: opened by many at once, deadlocked, killed, stopped, misconfigured.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "../support/given.rs"]
mod given;
mod gone;
mod ipv6;
mod migrating;
mod opening;
mod settings;

use std::{process::ExitCode, sync::Arc};

use database::{Config, Database};
use test_support::{
    Failed, Trial,
    server::{Kind, Server},
    trial,
};

use given::{FIRST, config, migrations};

fn main() -> ExitCode {
    let trials = Kind::ALL.into_iter().flat_map(|kind| {
        [
            opening::trials(kind),
            migrating::trials(kind),
            gone::trials(kind),
            ipv6::trials(kind),
            settings::trials(kind),
        ]
    });
    test_support::run(trials.flatten())
}

/// A trial of `body` for this kind of server.
fn on<F>(kind: Kind, name: &str, body: impl FnOnce(Kind) -> F + Send + 'static) -> Trial
where
    F: Future<Output = Result<(), Failed>>,
{
    trial(&format!("{}::{name}", kind.name()), &[kind.need()], move || body(kind))
}

fn driver(kind: Kind) -> &'static str {
    match kind {
        Kind::MariaDb => "mysql",
        Kind::Postgres => "postgres",
    }
}

/// How to use a fresh database on the shared server.
async fn fresh(kind: Kind) -> Result<(Arc<Server>, String, Config), Failed> {
    let server = Server::shared(kind).await?;
    let name = server.new_database().await?;
    let config = config(driver(kind), &server.url(&name));
    Ok((server, name, config))
}

async fn open(config: &Config) -> Database {
    Database::open(config, migrations(&[FIRST])).await.unwrap()
}
