//! An open database.

use std::{io, sync::Arc};

use crate::{
    Config, Migrations, OpenError, Table, Transaction, WriteError, admission::Admission,
    connector::Connector, database_url::Location, execute, group_commit::Writer,
    operation_span::OperationSpan, pool::Pool, sqlite, sqlite_files::SqliteFiles, startup,
};

/// An open database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Database {
    /// Connections for reads, and on MySQL and PostgreSQL for writes.
    pool: Pool,
    /// The task that writes to a SQLite file.
    writer: Option<Writer>,
    /// Bounds the transactions for one row of a server.
    admission: Admission,
    tables: &'static [Table],
}

impl Database {
    /// Opens the database: retries while a server is down, creates a missing SQLite file, checks that commits
    /// are durable, and applies pending migrations.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. On SQLite and PostgreSQL a failed migration is rolled back. A database with tables of
    /// another program is not changed.
    pub async fn open(config: &Config, migrations: &'static Migrations) -> Result<Self, OpenError> {
        Self::with_connector(startup::prepare(config, migrations).await?, config, migrations).await
    }

    /// Opens a database that has the schema of `migrations`. Neither creates nor migrates anything: for
    /// commands of an operator, who may have mistyped the URL.
    ///
    /// # Errors
    ///
    /// [`OpenError::MissingFile`], [`OpenError::Behind`], and those of [`Database::open`].
    pub async fn open_existing(config: &Config, migrations: &'static Migrations) -> Result<Self, OpenError> {
        let connector = startup::prepare_existing(config, migrations).await?;
        Self::with_connector(connector, config, migrations).await
    }

    async fn with_connector(
        mut connector: Connector,
        config: &Config,
        migrations: &'static Migrations,
    ) -> Result<Self, OpenError> {
        let (connections_max, writer) = match &*config.url.0 {
            Location::Sqlite(path) => {
                let failed = OpenError::connect(&config.url);
                let keeper = connector.connect().await.map_err(&failed)?;
                let files = SqliteFiles::new(keeper, &sqlite::absolute(&config.url, path)?);
                connector.files = Some(Arc::new(files.map_err(|error| failed(error.into()))?));
                (sqlite::READERS_MAX, Some(Writer::start(connector.clone(), config.group_max)))
            }
            Location::MySql(_) | Location::Postgres(_) => (config.connections_max as usize, None),
        };
        let pool = Pool::new(connector, connections_max);
        let admission = Admission::new(connections_max);
        Ok(Self { pool, writer, admission, tables: migrations.tables })
    }

    /// Runs `transaction` and returns its output after the commit.
    ///
    /// On SQLite queued transactions share one commit. On MySQL and PostgreSQL each is committed alone, and
    /// runs again after a deadlock or a serialization failure.
    ///
    /// # Errors
    ///
    /// [`WriteError`] distinguishes "nothing written" from "outcome unknown".
    pub async fn write<T: Transaction>(&self, transaction: T) -> Result<T::Output, WriteError> {
        let mut span = self.span::<T>();
        let result = match &self.writer {
            Some(writer) => writer.write(transaction).await.map(|written| {
                span.set_group_size(written.group_size);
                written.output
            }),
            None => self.write_to_server(&transaction).await,
        };
        span.end_write(&result);
        result
    }

    async fn write_to_server<T: Transaction>(&self, transaction: &T) -> Result<T::Output, WriteError> {
        let _admitted = match transaction.contention_key() {
            None => None,
            Some(key) => Some(self.admission.admit(key).await.map_err(|error| {
                self.connector().metrics.rejected();
                WriteError::not_started(sqlx::Error::Io(io::Error::other(error)))
            })?),
        };
        execute::write(&self.pool, transaction).await
    }

    /// Runs `transaction`, which only reads. It sees every commit that was acknowledged before it started.
    ///
    /// # Errors
    ///
    /// The error of the driver.
    pub async fn read<T: Transaction>(&self, transaction: T) -> Result<T::Output, sqlx::Error> {
        let span = self.span::<T>();
        let result = execute::read(&self.pool, &transaction).await;
        span.end_read(&result);
        result
    }

    fn span<T: Transaction>(&self) -> OperationSpan<'_> {
        let Connector { dialect, metrics, .. } = self.connector();
        OperationSpan::start::<T>(*dialect, metrics)
    }

    /// Closes the database after the queued writes. Later reads and writes fail.
    pub async fn close(&self) {
        self.pool.close();
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
        if let Some(files) = &self.connector().files {
            files.close().await;
        }
    }

    pub(crate) fn connector(&self) -> &Connector {
        self.pool.connector()
    }

    /// The tables that every statement may expect, for [`check_tables`](crate::migrations::check_tables).
    pub(crate) fn tables(&self) -> &'static [Table] {
        self.tables
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }
}

/// Applies pending migrations and does nothing else: for a deployment whose service user may not change the
/// schema.
///
/// # Errors
///
/// As [`Database::open`].
pub async fn migrate(config: &Config, migrations: &'static Migrations) -> Result<(), OpenError> {
    startup::prepare(config, migrations).await.map(drop)
}
