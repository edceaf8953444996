//! Instances that start while another one runs a migration longer than the lock timeout.

use std::time::Duration;

use database::{Config, Database, DatabaseUrl, OpenError};
use test_support::{
    Failed, Trial, check,
    server::{Kind, Server},
};
use tokio::task::JoinHandle;

use super::{driver, fresh, on};
use crate::fixtures::{FIRST, INCOMPATIBLE, insert, migrations};

pub(super) fn trials(kind: Kind) -> Vec<Trial> {
    vec![
        on(kind, "opening_waits_for_a_long_migration", waited_for),
        on(kind, "a_schema_that_became_too_new_during_the_wait_is_rejected", too_new),
        on(kind, "after_the_wait_a_user_without_ddl_rights_succeeds", unprivileged),
        on(kind, "debug_output_shows_no_password", no_password),
    ]
}

/// A first migration that takes four seconds.
fn slow(kind: Kind) -> &'static str {
    match kind {
        Kind::MariaDb => "DO SLEEP(4)",
        Kind::Postgres => "SELECT pg_sleep(4)",
    }
}

type Opening = JoinHandle<Result<Database, OpenError>>;

/// Opens the database with a slow migration followed by these; returns once the slow one has begun.
async fn migrating(
    (server, name): (&Server, &str),
    config: &Config,
    after: &[&'static str],
) -> Result<Opening, Failed> {
    let all = migrations(&[&[slow(server.kind())], after].concat());
    let config = config.clone();
    let opening = tokio::spawn(async move { Database::open(&config, all).await });
    while server.execute(name, "SELECT COUNT(*) FROM _sqlx_migrations").await.is_err() {
        check(!opening.is_finished(), || "the migration ended before its begin was seen".to_owned())?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(opening)
}

async fn waited_for(kind: Kind) -> Result<(), Failed> {
    let (server, name, config) = fresh(kind).await?;
    let first = migrating((&server, &name), &config, &[FIRST]).await?;
    let second = Database::open(&config, migrations(&[slow(kind), FIRST])).await?;
    insert(&second, 1).await?;
    insert(&first.await??, 2).await?;
    Ok(())
}

async fn too_new(kind: Kind) -> Result<(), Failed> {
    let (server, name, config) = fresh(kind).await?;
    let newer = migrating((&server, &name), &config, &[FIRST, INCOMPATIBLE]).await?;
    let older = Database::open(&config, migrations(&[slow(kind)])).await;
    newer.await??;
    check(matches!(older, Err(OpenError::Newer { oldest: 2, newest: 1, .. })), || format!("{older:?}"))
}

async fn unprivileged(kind: Kind) -> Result<(), Failed> {
    let (server, name, config) = fresh(kind).await?;
    let rights = match kind {
        Kind::MariaDb => format!(
            "CREATE USER IF NOT EXISTS 'waiter'@'%' IDENTIFIED BY 'w';
             GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO 'waiter'@'%'"
        ),
        Kind::Postgres => "CREATE USER waiter PASSWORD 'w';
             ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO waiter"
            .to_owned(),
    };
    server.execute(&name, &rights).await?;
    let scheme = if kind == Kind::MariaDb { "mysql" } else { "postgres" };
    let url = format!("{scheme}://waiter:w@127.0.0.1:{}/{name}", server.port());
    let admin = migrating((&server, &name), &config, &[FIRST]).await?;
    let waiter = Config::new(DatabaseUrl::parse(driver(kind), &url)?);
    insert(&Database::open(&waiter, migrations(&[slow(kind), FIRST])).await?, 1).await?;
    admin.await??;
    Ok(())
}

async fn no_password(kind: Kind) -> Result<(), Failed> {
    let (_, _, config) = fresh(kind).await?;
    let database = super::open(&config).await;
    insert(&database, 1).await?;
    let shown = format!("{database:?} {config:?}");
    check(!shown.contains("verysecretpass"), || shown.clone())
}
