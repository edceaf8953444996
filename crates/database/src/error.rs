//! Why a database could not be opened.

use std::{fmt, io, path::PathBuf};

use sqlx::postgres::PgDatabaseError;

use crate::{DatabaseUrl, dialect::Dialect};

/// Where operators read how to move from another program's tables.
const MOVING: &str = "docs/operate/moving.md";

/// Why a database could not be opened. `Display` is one line and never shows a password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory of a SQLite file does not exist or is not accessible.
    #[error("cannot open the database {url}: its directory {} cannot be used: {source}", directory.display())]
    Directory {
        /// The database.
        url: DatabaseUrl,
        /// The directory of the file.
        directory: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// A command that does not create a SQLite file found none.
    #[error("there is no database {url}; `{command}` creates it")]
    MissingFile {
        /// The database.
        url: DatabaseUrl,
        /// The command that creates it.
        command: String,
    },
    /// The connection failed, or the file is not a database.
    #[error("cannot open the database {url}: {}", Cause(source))]
    Connect {
        /// The database.
        url: DatabaseUrl,
        /// The driver's error.
        source: sqlx::Error,
    },
    /// The settings of the database do not make commits durable.
    #[error("commits of the database {url} are not durable: {settings}")]
    Settings {
        /// The database.
        url: DatabaseUrl,
        /// Every wrong setting with its current and its required value.
        settings: String,
    },
    /// The database cannot store every text.
    #[error("the database {url} cannot store every text: {setting}")]
    Encoding {
        /// The database.
        url: DatabaseUrl,
        /// The setting with its current and its required value.
        setting: String,
    },
    /// A pooler gives consecutive transactions of one connection to different sessions of the server.
    #[error(
        "the database {url} is behind a pooler that pools transactions or statements; sessions keep settings \
         and prepared statements: use pool_mode=session, or connect to the server"
    )]
    TransactionPooling {
        /// The database.
        url: DatabaseUrl,
    },
    /// The schema is newer than this program supports.
    #[error(
        "the database {url} is newer than this program: it has migration {version}, which requires a program \
         with migration {oldest} or newer; this program has migrations up to {newest}"
    )]
    Newer {
        /// The database.
        url: DatabaseUrl,
        /// The newest migration of the database.
        version: i64,
        /// The oldest program that can use the schema.
        oldest: i64,
        /// The newest migration of this program.
        newest: i64,
    },
    /// A command that does not migrate found a schema without all migrations of this program.
    #[error("the schema of the database {url} is behind this program: run `{command}`")]
    Behind {
        /// The database.
        url: DatabaseUrl,
        /// The command that migrates.
        command: String,
    },
    /// A table of another program has the name of one of this program.
    #[error(
        "the database {url} has a table {table} of another program ({why}); give {service} a database of its \
         own, see {MOVING}"
    )]
    ForeignTable {
        /// The database.
        url: DatabaseUrl,
        /// The service.
        service: &'static str,
        /// The table.
        table: &'static str,
        /// How the table differs from this program's.
        why: String,
    },
    /// The migrations are those of another service.
    #[error(
        "these are {owner}'s tables: migration {version} of the database {url} is {description:?}; give \
         {service} a database of its own"
    )]
    OtherService {
        /// The database.
        url: DatabaseUrl,
        /// This service.
        service: &'static str,
        /// The service to which the database belongs.
        owner: String,
        /// The migration.
        version: i64,
        /// Its name in the database.
        description: String,
    },
    /// A migration of this program has another content than the applied one.
    #[error("migration {version} of the database {url} was applied with another content than this program's")]
    ChangedMigration {
        /// The database.
        url: DatabaseUrl,
        /// The migration.
        version: i64,
    },
    /// A table that an applied migration created is not there.
    #[error("the database {url} has no table {table}, although migration {migration} created it: restore it")]
    MissingTable {
        /// The database.
        url: DatabaseUrl,
        /// The table.
        table: &'static str,
        /// The migration.
        migration: i64,
    },
    /// A table cannot be read.
    #[error("the table {table} of the database {url} cannot be read: {why}")]
    UnreadableTable {
        /// The database.
        url: DatabaseUrl,
        /// The table.
        table: &'static str,
        /// The error of the database.
        why: String,
    },
    /// Another process has been migrating for an hour.
    #[error("another process has been migrating the database {url} for an hour: {holder}")]
    Busy {
        /// The database.
        url: DatabaseUrl,
        /// The process.
        holder: String,
    },
    /// A migration failed.
    #[error("cannot migrate the database {url}{migration}: {}{hint}", Cause(source))]
    Migrate {
        /// The database.
        url: DatabaseUrl,
        /// The migration that failed.
        migration: MigrationName,
        /// The error of the driver.
        source: sqlx::Error,
        /// What the operator can do, after a semicolon; may be empty.
        hint: String,
    },
}

/// The migration that failed; without a version, the tables of migrations and leases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MigrationName {
    /// The version; 0 for none.
    pub version: i64,
    /// The name.
    pub description: String,
}

impl fmt::Display for MigrationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            0 => Ok(()),
            version => write!(f, ": migration {version} ({})", self.description),
        }
    }
}

impl OpenError {
    pub(crate) fn connect(url: &DatabaseUrl) -> impl Fn(sqlx::Error) -> Self {
        |source| Self::Connect { url: url.clone(), source }
    }

    pub(crate) fn migrate(
        url: &DatabaseUrl,
        command: &str,
        dialect: Dialect,
        migration: MigrationName,
        source: sqlx::Error,
    ) -> Self {
        let hint = match dialect.is_forbidden(&source) {
            true => format!("; run `{command}` as a user who may change the schema"),
            false => String::new(),
        };
        Self::Migrate { url: url.clone(), migration, source, hint }
    }

    pub(crate) fn foreign_table(
        url: &DatabaseUrl,
        service: &'static str,
        table: &'static str,
        why: &str,
    ) -> Self {
        Self::ForeignTable { url: url.clone(), service, table, why: why.to_owned() }
    }

    /// Whether another process that changes the schema at the same time may be the cause.
    pub(crate) fn is_collision(&self, dialect: Dialect) -> bool {
        match self {
            Self::Connect { source, .. } | Self::Migrate { source, .. } => {
                dialect.is_transient(source) || dialect.is_schema_collision(source)
            }
            _ => false,
        }
    }
}

/// Shows an error of the driver in the operator's terms: of PostgreSQL the SQLSTATE, instead of the line of
/// the server's source that raised it.
#[derive(Debug)]
pub struct Cause<'a>(pub &'a sqlx::Error);

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        let postgres =
            error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
        match postgres {
            Some(error) => write!(f, "{} (SQLSTATE {})", error.message(), error.code()),
            None => error.fmt(f),
        }
    }
}
