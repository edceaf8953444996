//! Schema migrations: applied by one process at a time; a schema that is too new, or of another program, is
//! rejected.
//!
//! The version of a program is the newest migration it contains. Each migration writes into `schema_versions`
//! the oldest program that can use the new schema. During a rolling deploy, older programs keep running (and
//! may start) on a newer schema that allows them.
//!
//! The scripts and the table of applied migrations are sqlx's; the order of events is not. On MySQL, which
//! commits schema changes implicitly, `success = FALSE` is committed before a script starts, so that a table
//! without a recorded migration is another program's, and an interrupted migration is known.

mod apply;
mod lease;
mod tables;

use sqlx::migrate::{Migration, Migrator};

pub use tables::Table;
pub(crate) use tables::check_tables;

use crate::{DatabaseUrl, OpenError, dialect::Dialect, transaction::Connection};
pub(crate) use apply::migrate;
use tables::Existing;

/// The schema of one service: its tables, and the migrations that make them, with the same versions for each
/// kind of database.
///
/// MySQL commits schema changes implicitly, so that an interrupted migration is run again from its start:
/// migrations for MySQL must be idempotent.
#[derive(Debug)]
pub struct Migrations {
    /// The name of the service; in lower case, that of its program.
    pub service: &'static str,
    /// Services whose database may be configured by mistake: the description of the first migration, and the
    /// name.
    pub others: &'static [(&'static str, &'static str)],
    /// Every table of the schema.
    pub tables: &'static [Table],
    /// For SQLite.
    pub sqlite: Migrator,
    /// For MySQL and MariaDB.
    pub mysql: Migrator,
    /// For PostgreSQL.
    pub postgres: Migrator,
}

/// The table in which applied migrations are recorded.
const APPLIED: &str = "_sqlx_migrations";

impl Migrations {
    fn of(&self, dialect: Dialect) -> &Migrator {
        match dialect {
            Dialect::Sqlite => &self.sqlite,
            Dialect::MySql => &self.mysql,
            Dialect::Postgres => &self.postgres,
        }
    }

    /// The command that migrates the schema.
    pub(crate) fn command(&self) -> String {
        format!("{} migrate", self.service.to_lowercase())
    }

    /// The service to which a migration of this `description` belongs, if it is not this one.
    fn owner_of(&self, description: &str) -> String {
        let known = self.others.iter().find(|(first, _)| *first == description);
        known.map_or_else(|| "another program".to_owned(), |(_, service)| (*service).to_owned())
    }
}

/// Whether the schema is up to date for this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SchemaState {
    /// Every migration of the program is applied.
    Current,
    /// A migration is missing or was interrupted.
    Behind,
    /// Every migration of the program is applied; a newer program is applying this one, or was interrupted.
    Unfinished(i64),
}

/// A row of the table of applied migrations.
struct Applied {
    version: i64,
    description: String,
    finished: bool,
    checksum: Vec<u8>,
}

/// Compares the tables and the applied migrations with `migrations`. Reads only.
///
/// # Errors
///
/// [`OpenError::Connect`] if they cannot be read, else what forbids this program to use the database.
pub(crate) async fn schema_state(
    url: &DatabaseUrl,
    connection: &mut Connection,
    migrations: &Migrations,
) -> Result<SchemaState, OpenError> {
    match inspect(url, connection, migrations).await {
        // The catalogue of MySQL is no snapshot: during a migration it may show a table without its record.
        // A migration that is applied between the two reads has a record without its tables.
        Err(OpenError::ForeignTable { .. } | OpenError::MissingTable { .. }) => {
            inspect(url, connection, migrations).await
        }
        result => result,
    }
}

async fn inspect(
    url: &DatabaseUrl,
    connection: &mut Connection,
    migrations: &Migrations,
) -> Result<SchemaState, OpenError> {
    let failed = OpenError::connect(url);
    // Tables first: a migration that is applied in between is recorded before its tables exist.
    let existing = Existing::read(connection).await.map_err(&failed)?;
    let applied = match existing.contains(APPLIED) {
        true => read_applied(connection).await.map_err(&failed)?,
        false => Vec::new(),
    };
    let known = migrations.of(connection.dialect);
    reject_other_migrations(url, migrations, known, &applied)?;
    let newest = known.iter().map(|migration| migration.version).max().unwrap_or_default();
    // An unfinished migration has not recorded yet which programs it allows.
    let finished = applied.iter().filter(|applied| applied.finished).map(|applied| applied.version);
    if let Some(newer) = finished.max().filter(|max| *max > newest) {
        let oldest = oldest_program(connection, &existing).await.map_err(&failed)?;
        if oldest > newest {
            return Err(OpenError::Newer { url: url.clone(), version: newer, oldest, newest });
        }
    }
    let recorded = |version| applied.iter().any(|applied| applied.version == version);
    if let Some(table) = migrations
        .tables
        .iter()
        .find(|table| !recorded(table.migration) && existing.is_in_own_schema(table.name))
    {
        return Err(OpenError::foreign_table(url, migrations.service, table.name, "no migration created it"));
    }
    let is_finished =
        |migration: &Migration| applied.iter().any(|one| one.version == migration.version && one.finished);
    if !known.iter().all(is_finished) {
        return Ok(SchemaState::Behind);
    }
    tables::reject_changed_tables(url, connection, migrations, &existing).await?;
    let unfinished = applied.iter().find(|applied| !applied.finished);
    Ok(unfinished.map_or(SchemaState::Current, |applied| SchemaState::Unfinished(applied.version)))
}

/// Rejects a database in which a migration of the same version as one of `known` is not that one.
fn reject_other_migrations(
    url: &DatabaseUrl,
    migrations: &Migrations,
    known: &Migrator,
    applied: &[Applied],
) -> Result<(), OpenError> {
    for applied in applied {
        let Some(own) = known.iter().find(|migration| migration.version == applied.version) else { continue };
        if own.description != applied.description {
            return Err(OpenError::OtherService {
                url: url.clone(),
                service: migrations.service,
                owner: migrations.owner_of(&applied.description),
                version: own.version,
                description: applied.description.clone(),
            });
        }
        // An interrupted migration is run again, perhaps as a corrected script.
        if applied.finished && *own.checksum != *applied.checksum {
            return Err(OpenError::ChangedMigration { url: url.clone(), version: own.version });
        }
    }
    Ok(())
}

async fn read_applied(connection: &mut Connection) -> Result<Vec<Applied>, sqlx::Error> {
    use sqlx::Row;
    let query = connection.query(
        "SELECT version, description, CASE WHEN success THEN 1 ELSE 0 END, checksum FROM _sqlx_migrations
         ORDER BY version",
    );
    let rows = query.fetch_all(connection.executor()).await?;
    let read = |row: &sqlx::any::AnyRow| {
        Ok(Applied {
            version: row.try_get(0)?,
            description: row.try_get(1)?,
            finished: row.try_get::<i64, _>(2)? == 1,
            checksum: row.try_get(3)?,
        })
    };
    rows.iter().map(read).collect()
}

/// The oldest program that can use this schema; a schema without that entry allows only its own version.
async fn oldest_program(connection: &mut Connection, existing: &Existing) -> Result<i64, sqlx::Error> {
    use sqlx::Row;
    if !existing.contains("schema_versions") {
        return Ok(i64::MAX);
    }
    let query = connection.query("SELECT MAX(oldest_program) FROM schema_versions");
    let row = query.fetch_one(connection.executor()).await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.unwrap_or(i64::MAX))
}
