//! An open database: a way in for writers, one for readers, and what can go wrong before there is either.

use std::{io, path::PathBuf};

use sqlx::{
    Any, AnyPool, Transaction,
    migrate::{MigrateError, Migrator},
};

use crate::{Target, sqlite, target::Location};

/// An open database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Database {
    pub(crate) writer: AnyPool,
    pub(crate) readers: AnyPool,
    /// The statement that starts a transaction which will write.
    pub(crate) begin: &'static str,
}

/// Why a database could not be opened: one line, without any password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory of the file is missing, or not ours to enter.
    #[error("cannot open the database {target}: its directory {} cannot be used: {source}", directory.display())]
    Directory {
        /// The database.
        target: Target,
        /// Where the file should be.
        directory: PathBuf,
        /// Why it cannot be there.
        source: io::Error,
    },
    /// It is not there, not a database, or not writable.
    #[error("cannot open the database {target}: {source}")]
    Connect {
        /// The database.
        target: Target,
        /// What the driver says.
        source: sqlx::Error,
    },
    /// It would lose what it had confirmed, and cannot be told not to.
    #[error(
        "the database {target} would not keep what it commits: {setting} is {found}, and must be {wanted}"
    )]
    Setting {
        /// The database.
        target: Target,
        /// The setting's name, as the database has it.
        setting: &'static str,
        /// Its value.
        found: String,
        /// The value that a durable commit needs.
        wanted: &'static str,
    },
    /// A newer version of the program has been here.
    #[error("the database {target} is newer than this program: it has migration {version}, unknown here")]
    Newer {
        /// The database.
        target: Target,
        /// The first migration that is not known.
        version: i64,
    },
    /// Its schema could not be brought up to date.
    #[error("cannot migrate the database {target}: {source}")]
    Migrate {
        /// The database.
        target: Target,
        /// What stopped it.
        source: MigrateError,
    },
}

impl OpenError {
    pub(crate) fn connect(target: &Target) -> impl Fn(sqlx::Error) -> Self {
        |source| Self::Connect { target: target.clone(), source }
    }

    pub(crate) fn migrate(target: &Target) -> impl Fn(MigrateError) -> Self {
        |source| match source {
            MigrateError::VersionMissing(version) => Self::Newer { target: target.clone(), version },
            source => Self::Migrate { target: target.clone(), source },
        }
    }
}

impl Database {
    /// Opens the database, creates a SQLite file where there is none, asserts that commits are durable, and
    /// applies those of the `migrations` that it lacks.
    ///
    /// # Errors
    ///
    /// [`OpenError`] names what is wrong; nothing is left half-migrated.
    pub async fn open(target: &Target, migrations: &'static Migrator) -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        match &target.0 {
            Location::Sqlite(path) => sqlite::open(target, path, migrations).await,
        }
    }

    /// Where reads outside a transaction go. A read sees every commit that was answered before it began.
    pub fn reader(&self) -> &AnyPool {
        &self.readers
    }

    /// Starts a transaction that will write. On SQLite there is one at a time, and the next waits its turn.
    ///
    /// # Errors
    ///
    /// Nothing has been done where this fails, which it does when no turn came in time.
    pub async fn begin(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        self.writer.begin_with(self.begin).await
    }

    /// Reads from the database, so that one that is gone is noticed.
    ///
    /// # Errors
    ///
    /// What the read failed with.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(&self.readers).await.map(drop)
    }

    /// Closes it once what runs has ended; whoever asks for more is refused.
    pub async fn close(&self) {
        self.readers.close().await;
        // Last, so that SQLite folds its log into the file.
        self.writer.close().await;
    }
}
