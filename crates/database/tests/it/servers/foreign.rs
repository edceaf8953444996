//! Databases with tables of another program, and schemas that changed behind the program's back.

use database::{Database, OpenError};
use service_kit::admin::Readiness;
use sqlx::{AnyConnection, Connection as _, Executor as _};
use test_support::{Failed, Trial, check, server::Kind};

use super::{Config, config, driver, first_on_mysql, fresh, on};
use crate::fixtures::{COMPATIBLE, FIRST, Select, TABLES, migrations, migrations_of};

pub(super) fn trials(kind: Kind) -> Vec<Trial> {
    let mut trials = vec![
        on(kind, "a_table_of_another_program_is_rejected_and_unchanged", rejected),
        on(kind, "a_table_that_disappears_makes_the_service_not_ready", disappears),
        on(kind, "a_missing_table_and_a_changed_one_are_named_at_start", changed),
        on(kind, "a_command_that_looks_migrates_nothing", looks),
        on(kind, "a_user_without_ddl_rights_gets_the_command", command_of_migration),
        on(kind, "the_lease_of_a_process_that_vanished_expires", vanished),
        on(kind, "refused_data_are_no_temporary_failure", refused_data),
    ];
    match kind {
        Kind::MariaDb => trials.push(on(kind, "a_converted_table_is_rejected", converted)),
        Kind::Postgres => trials.push(on(kind, "an_encoding_that_lacks_characters_is_rejected", encodings)),
    }
    trials
}

/// The URL of a table that another program made, with rows.
const OTHERS: &str =
    "CREATE TABLE t (id BIGINT PRIMARY KEY, status VARCHAR(20)); INSERT INTO t VALUES (1, 'old')";

async fn rejected(kind: Kind) -> Result<(), Failed> {
    let (server, name, config) = fresh(kind).await?;
    server.execute(&name, OTHERS).await?;
    for _ in 0..2 {
        let error = database::migrate(&config, migrations_of(&[FIRST], TABLES)).await.unwrap_err();
        let line = error.to_string();
        check(matches!(error, OpenError::ForeignTable { table: "t", .. }), || line.clone())?;
        check(line.contains("a table t of another program"), || line.clone())?;
    }
    let recorded = server.execute(&name, "SELECT COUNT(*) FROM _sqlx_migrations").await;
    check(recorded.is_err(), || format!("it was migrated: {recorded:?}"))?;
    // A table of a later migration.
    let (server, name, config) = fresh(kind).await?;
    Database::open(&config, migrations_of(&[FIRST], TABLES)).await?.close().await;
    server.execute(&name, "CREATE TABLE u (id BIGINT PRIMARY KEY)").await?;
    const WITH_U: &[database::Table] = &[TABLES[0], TABLES[1], database::Table::new("u", 2, "k")];
    let later = Database::open(&config, migrations_of(&[FIRST, COMPATIBLE], WITH_U)).await;
    check(matches!(later, Err(OpenError::ForeignTable { table: "u", .. })), || format!("{later:?}"))
}

async fn disappears(kind: Kind) -> Result<(), Failed> {
    let (server, name, config) = fresh(kind).await?;
    let database = Database::open(&config, migrations_of(&[FIRST], TABLES)).await?;
    let readiness = Readiness::default();
    let mut changes = readiness.subscribe();
    let health_check = database.spawn_health_check(readiness.clone());
    becomes(&mut changes, true).await?;
    server.execute(&name, "ALTER TABLE t RENAME TO gone").await?;
    becomes(&mut changes, false).await?;
    server.execute(&name, "ALTER TABLE gone RENAME TO t").await?;
    becomes(&mut changes, true).await?;
    health_check.abort();
    Ok(())
}

/// Waits until the condition `database` has this value.
async fn becomes(
    changes: &mut tokio::sync::watch::Receiver<std::collections::BTreeMap<&'static str, bool>>,
    ready: bool,
) -> Result<(), Failed> {
    let changed = changes.wait_for(|conditions| conditions.get("database") == Some(&ready));
    tokio::time::timeout(std::time::Duration::from_secs(20), changed).await??;
    Ok(())
}

async fn changed(kind: Kind) -> Result<(), Failed> {
    let (server, name, config) = fresh(kind).await?;
    let schema = migrations_of(&[FIRST], TABLES);
    Database::open(&config, schema).await?.close().await;
    server.execute(&name, "DROP TABLE t").await?;
    let missing = Database::open(&config, schema).await;
    check(matches!(missing, Err(OpenError::MissingTable { table: "t", .. })), || format!("{missing:?}"))?;
    server.execute(&name, OTHERS).await?;
    let foreign = Database::open(&config, schema).await;
    check(matches!(foreign, Err(OpenError::ForeignTable { table: "t", .. })), || format!("{foreign:?}"))
}

async fn looks(kind: Kind) -> Result<(), Failed> {
    let (server, name, config) = fresh(kind).await?;
    let (first, second) = (migrations(&[FIRST]), migrations(&[FIRST, COMPATIBLE]));
    let line = Database::open_existing(&config, first).await.unwrap_err().to_string();
    check(line.contains("is behind this program: run `sample migrate`"), || line.clone())?;
    check(server.execute(&name, "SELECT * FROM _sqlx_migrations").await.is_err(), || "migrated".to_owned())?;
    Database::open(&config, first).await?.close().await;
    let behind = Database::open_existing(&config, second).await;
    check(matches!(behind, Err(OpenError::Behind { .. })), || format!("{behind:?}"))?;
    let database = Database::open_existing(&config, first).await?;
    let versions = database.read(Select("SELECT COUNT(*) FROM _sqlx_migrations")).await?;
    check(versions.as_deref() == Some("1"), || format!("{versions:?}"))
}

async fn command_of_migration(kind: Kind) -> Result<(), Failed> {
    let (server, name, config) = fresh(kind).await?;
    Database::open(&config, migrations(&[FIRST])).await?.close().await;
    let user = format!("told_{}", driver(kind));
    let rights = match kind {
        Kind::MariaDb => format!(
            "CREATE USER '{user}'@'%' IDENTIFIED BY 'w';
             GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO '{user}'@'%'"
        ),
        Kind::Postgres => format!(
            "CREATE USER {user} PASSWORD 'w';
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {user}"
        ),
    };
    server.execute(&name, &rights).await?;
    let url = format!("{}://{user}:w@127.0.0.1:{}/{name}", driver(kind), server.port());
    let behind = Database::open(&super::config(driver(kind), &url), migrations(&[FIRST, COMPATIBLE])).await;
    let line = behind.unwrap_err().to_string();
    check(line.contains("migration 2 (test): "), || line.clone())?;
    check(line.ends_with("; run `sample migrate` as a user who may change the schema"), || line.clone())?;
    check(!line.contains("at line"), || line.clone())
}

async fn vanished(kind: Kind) -> Result<(), Failed> {
    let (server, name, config) = fresh(kind).await?;
    Database::open(&config, migrations(&[FIRST])).await?.close().await;
    let now_ms = config_now_ms(kind);
    let hold =
        format!("UPDATE migration_lock SET owner = 'a host that vanished', expires_at_ms = {now_ms} + 3000");
    server.execute(&name, &hold).await?;
    let second = migrations(&[FIRST, COMPATIBLE]);
    let opening = tokio::spawn({
        let config = config.clone();
        async move { Database::open(&config, second).await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(1000)).await;
    check(!opening.is_finished(), || "it did not wait for the lease".to_owned())?;
    opening.await??.close().await;
    // An expiry that no lease can have is ignored.
    server.execute(&name, "DELETE FROM _sqlx_migrations WHERE version = 2; DROP TABLE u").await?;
    server.execute(&name, "DELETE FROM schema_versions WHERE version = 2").await?;
    server.execute(&name, &hold.replace("+ 3000", "+ 3600000")).await?;
    Database::open(&config, second).await?;
    Ok(())
}

fn config_now_ms(kind: Kind) -> &'static str {
    match kind {
        Kind::MariaDb => database::Driver::MySql.now_ms(),
        Kind::Postgres => database::Driver::Postgres.now_ms(),
    }
}

async fn refused_data(kind: Kind) -> Result<(), Failed> {
    let (_, _, config) = fresh(kind).await?;
    let schema = "CREATE TABLE IF NOT EXISTS t (k BIGINT PRIMARY KEY, v VARCHAR(20), n SMALLINT NOT NULL)";
    let database = Database::open(&config, migrations(&[schema])).await?;
    for statement in [
        "INSERT INTO t VALUES (1, 'a text that is longer than twenty characters', 1)",
        "INSERT INTO t VALUES (1, 'a', 100000)",
        "INSERT INTO t VALUES (1, 'a', NULL)",
    ] {
        let error = database.write(Select(statement)).await.unwrap_err();
        check(error.is_data_error() && !error.is_unique_violation(), || format!("{statement}: {error}"))?;
    }
    let error = database.write(Select("INSERT INTO nothing VALUES (1)")).await.unwrap_err();
    check(!error.is_data_error(), || error.to_string())?;
    check(kind != Kind::Postgres || error.to_string().contains("(SQLSTATE 42P01)"), || error.to_string())
}

async fn converted(kind: Kind) -> Result<(), Failed> {
    for conversion in ["latin1", "utf8mb4 COLLATE utf8mb4_general_ci"] {
        let (server, name, config) = fresh(kind).await?;
        let schema = migrations_of(&[first_on_mysql()], TABLES);
        Database::open(&config, schema).await?.close().await;
        server.execute(&name, &format!("ALTER TABLE t CONVERT TO CHARACTER SET {conversion}")).await?;
        let line = Database::open(&config, schema).await.unwrap_err().to_string();
        check(line.contains("the collation of t.v is "), || line.clone())?;
    }
    Ok(())
}

async fn encodings(kind: Kind) -> Result<(), Failed> {
    let (server, _, _) = fresh(kind).await?;
    for (encoding, accepted) in
        [("LATIN1", false), ("EUC_JP", false), ("WIN1252", false), ("SQL_ASCII", true), ("UTF8", true)]
    {
        let name = format!("encoded_{}", encoding.to_lowercase());
        let create = format!(
            "CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        );
        server.execute("", &create).await?;
        let config: Config = config(driver(kind), &server.url(&name));
        match Database::open(&config, migrations(&[FIRST])).await {
            Err(OpenError::Encoding { .. }) if !accepted => {
                let mut open = AnyConnection::connect(&server.url(&name)).await?;
                check(open.execute("SELECT * FROM t").await.is_err(), || "it was migrated".to_owned())?;
            }
            Ok(database) if accepted => {
                database.write(Select("INSERT INTO t VALUES (1, '日本')")).await?;
                let read = database.read(Select("SELECT v FROM t")).await?;
                check(read.as_deref() == Some("日本"), || format!("{read:?}"))?;
            }
            other => return Err(format!("{encoding}: {other:?}").into()),
        }
    }
    Ok(())
}
