//! Schemas and transactions for tests.

use async_trait::async_trait;
use database::{Config, Connection, Database, DatabaseUrl, Migrations, Table, Transaction, WriteError};
use sqlx::{
    AssertSqlSafe, Row, SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// The first version of a schema, with the table of versions.
pub(crate) const FIRST: &str = "CREATE TABLE IF NOT EXISTS t (k BIGINT PRIMARY KEY, v VARCHAR(20));
     CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT PRIMARY KEY NOT NULL, oldest_program BIGINT NOT NULL);
     DELETE FROM schema_versions; INSERT INTO schema_versions VALUES (1, 1)";
/// A second version that programs of the first can use.
pub(crate) const COMPATIBLE: &str =
    "CREATE TABLE IF NOT EXISTS u (k BIGINT PRIMARY KEY); INSERT INTO schema_versions VALUES (2, 1)";
/// A second version that programs of the first cannot use.
pub(crate) const INCOMPATIBLE: &str =
    "CREATE TABLE IF NOT EXISTS u (k BIGINT PRIMARY KEY); INSERT INTO schema_versions VALUES (2, 2)";

/// The tables of [`FIRST`].
pub(crate) const TABLES: &[Table] =
    &[Table::new("t", 1, "v"), Table::new("schema_versions", 1, "oldest_program")];

/// These scripts as migrations 1, 2, … for every kind of database, with a static lifetime.
pub(crate) fn migrations(scripts: &[&'static str]) -> &'static Migrations {
    migrations_of(scripts, &[])
}

/// As [`migrations`], of a service with these tables.
pub(crate) fn migrations_of(scripts: &[&'static str], tables: &'static [Table]) -> &'static Migrations {
    let migrator = || {
        let migrations = scripts.iter().zip(1..).map(|(sql, version)| {
            Migration::new(version, "test".into(), MigrationType::Simple, sql.into_sql_str(), false)
        });
        Migrator::with_migrations(migrations.collect())
    };
    Box::leak(Box::new(Migrations {
        service: "Sample",
        others: &[("another test", "Another")],
        tables,
        sqlite: migrator(),
        mysql: migrator(),
        postgres: migrator(),
    }))
}

pub(crate) fn config(driver: &str, url: &str) -> Config {
    Config::new(DatabaseUrl::parse(driver, url).unwrap())
}

/// Inserts a row into `t`, and another one if there is a second key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Insert {
    pub(crate) keys: (i64, Option<i64>),
    pub(crate) permitted: bool,
}

impl Insert {
    pub(crate) fn of(key: i64) -> Self {
        Self { keys: (key, None), permitted: true }
    }
}

#[async_trait]
impl Transaction for Insert {
    type Output = i64;

    fn may_begin(&self) -> bool {
        self.permitted
    }

    async fn run(&self, connection: &mut Connection) -> Result<i64, sqlx::Error> {
        for key in [Some(self.keys.0), self.keys.1].into_iter().flatten() {
            let insert = connection.query("INSERT INTO t (k, v) VALUES (?, ?)").bind(key).bind("v");
            insert.execute(connection.executor()).await?;
        }
        Ok(self.keys.0)
    }
}

/// A transaction that panics (the test's output shows the panic).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Panics {
    /// In `may_begin`.
    NotBegun,
    /// After it has written a row.
    Written,
    /// As a single statement, before it is sent.
    Alone,
}

#[async_trait]
impl Transaction for Panics {
    type Output = ();

    fn may_begin(&self) -> bool {
        assert!(!matches!(self, Self::NotBegun), "expected panic in may_begin");
        true
    }

    fn is_single(&self) -> bool {
        matches!(self, Self::Alone)
    }

    async fn run(&self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        if matches!(self, Self::Written) {
            Insert::of(1000).run(connection).await?;
        }
        panic!("expected panic in run");
    }
}

/// A statement that returns the first column of its first row, a number or a text.
pub(crate) struct Select(pub(crate) &'static str);

#[async_trait]
impl Transaction for Select {
    type Output = Option<String>;

    async fn run(&self, connection: &mut Connection) -> Result<Option<String>, sqlx::Error> {
        let query = connection.query(AssertSqlSafe(self.0));
        let row = query.fetch_optional(connection.executor()).await?;
        row.map(|row| row.try_get::<i64, _>(0).map(|n| n.to_string()).or_else(|_| row.try_get(0))).transpose()
    }
}

pub(crate) async fn insert(database: &Database, key: i64) -> Result<i64, WriteError> {
    database.write(Insert::of(key)).await
}

pub(crate) async fn count(database: &Database) -> i64 {
    database.read(Select("SELECT COUNT(*) FROM t")).await.unwrap().unwrap().parse().unwrap()
}

/// Writes the transactions concurrently; returns the results in their order.
pub(crate) async fn at_once(database: &Database, transactions: Vec<Insert>) -> Vec<Result<i64, WriteError>> {
    let tasks: Vec<_> = transactions
        .into_iter()
        .map(|transaction| {
            let database = database.clone();
            tokio::spawn(async move { database.write(transaction).await })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}
