//! Databases on MariaDB and PostgreSQL servers.

mod durability;
mod foreign;
mod galera;
mod hot_row;
mod ipv6;
mod limits;
mod migrating;
mod opening;
mod outage;
mod pooler;
mod stale_statements;
mod statement_limit;
mod switchover;
mod vanished_host;

use std::sync::Arc;

use database::{Config, Database};
use test_support::{
    Failed, Trial,
    server::{Kind, Server},
    trial,
};

use crate::fixtures::{FIRST, config, migrations};

pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    let trials = Kind::ALL.into_iter().flat_map(|kind| {
        [
            opening::trials(kind),
            migrating::trials(kind),
            outage::trials(kind),
            ipv6::trials(kind),
            durability::trials(kind),
            switchover::trials(kind),
            vanished_host::trials(kind),
            hot_row::trials(kind),
            stale_statements::trials(kind),
            foreign::trials(kind),
            limits::trials(kind),
            statement_limit::trials(kind),
        ]
    });
    trials.flatten().chain(pooler::trials()).chain(galera::trials())
}

/// A trial of `body` on this kind of server.
fn on<F>(kind: Kind, name: &str, body: impl FnOnce(Kind) -> F + Send + 'static) -> Trial
where
    F: Future<Output = Result<(), Failed>>,
{
    trial(&format!("servers::{}::{name}", kind.name()), &[kind.need()], move || body(kind))
}

fn driver(kind: Kind) -> &'static str {
    match kind {
        Kind::MariaDb => "mysql",
        Kind::Postgres => "postgres",
    }
}

/// A new database on the shared server.
async fn fresh(kind: Kind) -> Result<(Arc<Server>, String, Config), Failed> {
    let server = Server::shared(kind).await?;
    let name = server.new_database().await?;
    let config = config(driver(kind), &server.url(&name));
    Ok((server, name, config))
}

async fn open(config: &Config) -> Database {
    Database::open(config, migrations(&[FIRST])).await.unwrap()
}

/// [`FIRST`] with the collation that the services' tables have.
fn first_on_mysql() -> &'static str {
    FIRST.replace("v VARCHAR(20))", "v VARCHAR(20)) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin").leak()
}
