//! PostgreSQL behind PgBouncer.

use std::time::Duration;

use database::{Config, Database, OpenError};
use test_support::{
    Failed, Need, Trial, check,
    server::{Kind, Pooler, Server},
    trial,
};

use super::config;
use crate::fixtures::{FIRST, Insert, TABLES, at_once, count, migrations, migrations_of};

pub(super) fn trials() -> Vec<Trial> {
    let needs = [Need::Postgres, Need::Pgbouncer];
    let on = |name: &str| format!("servers::pgbouncer::{name}");
    vec![
        trial(&on("session_pooling_works"), &needs, session),
        trial(&on("transaction_and_statement_pooling_are_rejected"), &needs, rejected),
        trial(&on("transaction_pooling_is_rejected_while_others_use_it"), &needs, busy),
        trial(&on("opening_waits_for_a_free_connection_of_the_pooler"), &needs, full),
    ]
}

/// A pooler with this setting in front of the shared server, and a new database.
async fn pooled(settings: &str) -> Result<(Pooler, Config), Failed> {
    let server = Server::shared(Kind::Postgres).await?;
    let name = server.new_database().await?;
    let pooler = Pooler::start(&server, settings).await?;
    let config = config("postgres", &pooler.url(&name));
    Ok((pooler, config))
}

async fn session() -> Result<(), Failed> {
    let (_pooler, config) = pooled("pool_mode = session\ndefault_pool_size = 40").await?;
    let sample = migrations_of(&[FIRST], TABLES);
    let (one, other) = tokio::join!(Database::open(&config, sample), Database::open(&config, sample));
    let (one, other) = (one?, other?);
    let written = at_once(&one, (0..64).map(Insert::of).collect()).await;
    check(written.iter().all(Result::is_ok), || format!("{written:?}"))?;
    check(count(&other).await == 64, || "rows are missing".to_owned())
}

async fn rejected() -> Result<(), Failed> {
    for mode in ["transaction", "statement"] {
        for more in ["", "default_pool_size = 1", "server_round_robin = 1\nmin_pool_size = 3"] {
            let (_pooler, config) = pooled(&format!("pool_mode = {mode}\n{more}")).await?;
            for _ in 0..3 {
                let opened = Database::open(&config, migrations(&[FIRST])).await;
                check(matches!(opened, Err(OpenError::TransactionPooling { .. })), || {
                    format!("{mode}, {more}: {opened:?}")
                })?;
            }
            let looked = Database::open_existing(&config, migrations(&[FIRST])).await;
            check(matches!(looked, Err(OpenError::TransactionPooling { .. })), || format!("{looked:?}"))?;
        }
    }
    Ok(())
}

/// Other clients take and release sessions all the time.
async fn busy() -> Result<(), Failed> {
    let (pooler, config) = pooled("pool_mode = transaction\ndefault_pool_size = 6").await?;
    let url = pooler.url("postgres");
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move {
                use sqlx::{AnyConnection, Connection as _, Executor as _};
                sqlx::any::install_default_drivers();
                let mut client = AnyConnection::connect(&url).await.unwrap();
                loop {
                    client.execute("SELECT pg_sleep(0.002)").await.unwrap();
                }
            })
        })
        .collect();
    for _ in 0..10 {
        let opened = Database::open(&config, migrations(&[FIRST])).await;
        check(matches!(opened, Err(OpenError::TransactionPooling { .. })), || format!("{opened:?}"))?;
    }
    check(clients.iter().all(|client| !client.is_finished()), || "a client failed".to_owned())?;
    clients.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}

async fn full() -> Result<(), Failed> {
    use sqlx::{AnyConnection, Connection as _};
    let (pooler, config) = pooled("pool_mode = session\nmax_client_conn = 4").await?;
    sqlx::any::install_default_drivers();
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(AnyConnection::connect(&pooler.url("postgres")).await?);
    }
    let at_once = Config { wait: Duration::ZERO, ..config.clone() };
    let error = Database::open(&at_once, migrations(&[FIRST])).await.unwrap_err().to_string();
    check(error.contains("no more connections allowed"), || error.clone())?;
    let opening = tokio::spawn(async move { Database::open(&config, migrations(&[FIRST])).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    check(!opening.is_finished(), || "it did not wait".to_owned())?;
    for other in others {
        other.close().await?;
    }
    opening.await??;
    Ok(())
}
