//! Why a database could not be opened.

use std::{io, path::PathBuf};

use sqlx::migrate::MigrateError;

use crate::DatabaseUrl;

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
    /// The connection failed, or the file is not a database.
    #[error("cannot open the database {url}: {source}")]
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
    /// A migration failed.
    #[error("cannot migrate the database {url}: {source}")]
    Migrate {
        /// The database.
        url: DatabaseUrl,
        /// The error of the migration.
        source: MigrateError,
    },
}

impl OpenError {
    pub(crate) fn connect(url: &DatabaseUrl) -> impl Fn(sqlx::Error) -> Self {
        |source| Self::Connect { url: url.clone(), source }
    }

    pub(crate) fn migrate(url: &DatabaseUrl) -> impl Fn(MigrateError) -> Self {
        |source| Self::Migrate { url: url.clone(), source }
    }
}
