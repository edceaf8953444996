//! Opening and migrating; deadlocks and unique keys.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use database::{Config, Connection, Database, DatabaseUrl, Driver, OpenError, Transaction};
use test_support::{Failed, Trial, check, server::Kind};
use tokio::sync::Barrier;

use super::{driver, fresh, on, open};
use crate::fixtures::{COMPATIBLE, FIRST, INCOMPATIBLE, Insert, Select, at_once, count, insert, migrations};

pub(super) fn trials(kind: Kind) -> Vec<Trial> {
    let mut trials = vec![
        on(kind, "concurrent_opens_of_a_new_database_succeed", all_at_once),
        on(kind, "a_user_without_ddl_rights_opens_a_migrated_database", least_privilege),
        on(kind, "an_older_program_runs_only_on_a_compatible_newer_schema", older_program),
        on(kind, "deadlocked_transactions_are_retried", deadlocks),
        on(kind, "a_taken_key_is_a_unique_violation", taken_key),
        on(kind, "a_wrong_password_and_a_missing_database_fail_at_once", refused),
    ];
    if kind == Kind::MariaDb {
        trials.push(on(kind, "an_interrupted_migration_is_run_again", interrupted));
        trials.push(on(kind, "the_go_form_opens_the_same_database", go_form));
    }
    trials
}

async fn all_at_once(kind: Kind) -> Result<(), Failed> {
    let (_, _, config) = fresh(kind).await?;
    let opened = tokio::join!(open(&config), open(&config), open(&config), open(&config));
    insert(&opened.0, 1).await?;
    check(count(&opened.3).await == 1, || "not the same database".to_owned())
}

async fn least_privilege(kind: Kind) -> Result<(), Failed> {
    let (server, name, config) = fresh(kind).await?;
    database::migrate(&config, migrations(&[FIRST])).await?;
    let rights = match kind {
        Kind::MariaDb => format!(
            "CREATE USER IF NOT EXISTS 'service'@'%' IDENTIFIED BY 'a@b/c:d%e\\\\f';
             GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO 'service'@'%'"
        ),
        Kind::Postgres => "CREATE USER service PASSWORD 'a@b/c:d%e\\f';
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO service"
            .to_owned(),
    };
    server.execute(&name, &rights).await?;
    let url = match kind {
        // The password without encoding.
        Kind::MariaDb => format!("service:a@b/c:d%e\\f@tcp(127.0.0.1:{})/{name}", server.port()),
        Kind::Postgres => {
            format!("postgres://service:a%40b%2Fc%3Ad%25e%5Cf@127.0.0.1:{}/{name}", server.port())
        }
    };
    let own = Config::new(DatabaseUrl::parse(driver(kind), &url)?);
    insert(&open(&own).await, 1).await?;
    // It cannot apply a missing migration.
    let lacking = Database::open(&own, migrations(&[FIRST, COMPATIBLE])).await;
    check(matches!(lacking, Err(OpenError::Migrate { .. })), || format!("{lacking:?}"))
}

async fn older_program(kind: Kind) -> Result<(), Failed> {
    let (_, _, config) = fresh(kind).await?;
    Database::open(&config, migrations(&[FIRST, COMPATIBLE])).await?;
    insert(&open(&config).await, 1).await?;
    let (_, _, config) = fresh(kind).await?;
    Database::open(&config, migrations(&[FIRST, INCOMPATIBLE])).await?;
    let older = Database::open(&config, migrations(&[FIRST])).await;
    check(matches!(older, Err(OpenError::Newer { version: 2, oldest: 2, newest: 1, .. })), || {
        format!("{older:?}")
    })
}

/// Updates two rows in this order. The first run waits at the barrier after its first row.
struct Touch {
    keys: [i64; 2],
    met: Arc<Barrier>,
    runs: AtomicUsize,
}

#[async_trait]
impl Transaction for Touch {
    type Output = usize;

    async fn run(&self, connection: &mut Connection) -> Result<usize, sqlx::Error> {
        let runs = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        for key in self.keys {
            let update = connection.query("UPDATE t SET v = 'touched' WHERE k = ?").bind(key);
            update.execute(connection.executor()).await?;
            if runs == 1 && key == self.keys[0] {
                self.met.wait().await;
            }
        }
        Ok(runs)
    }
}

async fn deadlocks(kind: Kind) -> Result<(), Failed> {
    let (_, _, config) = fresh(kind).await?;
    let database = open(&config).await;
    insert(&database, 1).await?;
    insert(&database, 2).await?;
    let met = Arc::new(Barrier::new(2));
    let touch = |keys| database.write(Touch { keys, met: met.clone(), runs: AtomicUsize::new(0) });
    let (one, other) = tokio::join!(touch([1, 2]), touch([2, 1]));
    let runs = one? + other?;
    check(runs == 3, || format!("{runs} runs of two transactions that deadlock once"))
}

async fn taken_key(kind: Kind) -> Result<(), Failed> {
    let (_, _, config) = fresh(kind).await?;
    let database = open(&config).await;
    let results = at_once(&database, vec![Insert::of(7); 64]).await;
    let won = results.iter().filter(|result| result.is_ok()).count();
    let lost = results
        .iter()
        .filter_map(|result| result.as_ref().err())
        .all(database::WriteError::is_unique_violation);
    check(won == 1 && lost, || format!("{results:?}"))?;
    let second = database.write(Insert { keys: (8, Some(7)), permitted: true }).await;
    check(second.is_err() && count(&database).await == 1, || "one of two rows was written".to_owned())?;
    let withdrawn = database.write(Insert { permitted: false, ..Insert::of(9) }).await;
    check(withdrawn.is_err() && count(&database).await == 1, || {
        "a withdrawn transaction was written".to_owned()
    })?;
    let other = database.write(Select("SELECT nothing FROM t")).await.unwrap_err();
    check(!other.is_unique_violation(), || other.to_string())
}

async fn refused(kind: Kind) -> Result<(), Failed> {
    let (server, name, _) = fresh(kind).await?;
    for url in [server.url("nothing_here"), server.url(&name).replace("verysecretpass", "hunter2")] {
        let error =
            Database::open(&super::config(driver(kind), &url), migrations(&[FIRST])).await.unwrap_err();
        let texts = format!("{error} {error:?}");
        check(!texts.contains("hunter2") && !texts.contains("verysecretpass"), || texts.clone())?;
        check(matches!(error, OpenError::Connect { .. }), || texts.clone())?;
    }
    Ok(())
}

async fn interrupted(kind: Kind) -> Result<(), Failed> {
    let (server, name, config) = fresh(kind).await?;
    open(&config).await;
    server.execute(&name, "UPDATE _sqlx_migrations SET success = FALSE; DELETE FROM schema_versions").await?;
    insert(&open(&config).await, 1).await?;
    let versions = server.execute(&name, "SELECT COUNT(*) FROM schema_versions").await?;
    check(versions.trim() == "1", || versions.clone())
}

async fn go_form(kind: Kind) -> Result<(), Failed> {
    let (server, name, config) = fresh(kind).await?;
    insert(&open(&config).await, 1).await?;
    let dsn = format!("{}?charset=utf8mb4&parseTime=True&loc=Local", server.go_dsn(&name));
    let same = Config::new(DatabaseUrl::parse(Driver::MySql.name(), &dsn)?);
    check(count(&open(&same).await).await == 1, || "another database".to_owned())
}
