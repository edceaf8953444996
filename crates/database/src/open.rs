//! Opening a database: connect, check durability, migrate.

use std::{io, sync::Arc, time::Duration};

use sqlx::{Connection as _, any::AnyConnectOptions};
use tokio::time::{Instant, timeout};

use crate::{
    Config, Connection, DatabaseUrl, Migrations, OpenError, Transaction, WriteError,
    admission::Admission,
    connector::Connector,
    database_url::{Location, Server},
    dialect::{Dialect, timed_out},
    durability::{self, Finding},
    execute,
    group_commit::Writer,
    migrations::{self, SchemaState},
    operation_span::OperationSpan,
    pool::Pool,
    sqlite,
    sqlite_files::SqliteFiles,
};

/// Default limit for connecting; the URL may set another.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Default limit for one transaction; the URL may set another.
const TRANSACTION_MAX: Duration = Duration::from_secs(5);
/// Pause between two attempts to connect at start.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// An open database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Database {
    /// Connections for reads, and on MySQL and PostgreSQL for writes.
    pool: Pool,
    /// The task that writes to a SQLite file.
    writer: Option<Writer>,
    /// Bounds the transactions for one row of a server.
    admission: Admission,
}

impl Database {
    /// Opens the database: retries while a server is down, creates a missing SQLite file, checks that commits
    /// are durable, and applies pending migrations.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. On SQLite and PostgreSQL a failed migration is rolled back.
    pub async fn open(config: &Config, migrations: &'static Migrations) -> Result<Self, OpenError> {
        Self::with_connector(prepare(config, migrations).await?, config).await
    }

    /// Opens an existing database without migrating it. For operator commands that only read.
    ///
    /// # Errors
    ///
    /// [`OpenError::Directory`] and [`OpenError::Connect`].
    pub async fn open_existing(config: &Config) -> Result<Self, OpenError> {
        let (_, connector) = connectors(config)?;
        let mut retry = StartupRetry::new(config, connector.dialect);
        while let Err(error) = connector.connect().await {
            retry.pause(OpenError::connect(&config.url)(error)).await?;
        }
        Self::with_connector(connector, config).await
    }

    async fn with_connector(mut connector: Connector, config: &Config) -> Result<Self, OpenError> {
        let (connections_max, writer) = match &*config.url.0 {
            Location::Sqlite(path) => {
                let opened = SqliteFiles::open(&connector, &sqlite::absolute(&config.url, path)?).await;
                connector.files = Some(Arc::new(opened.map_err(OpenError::connect(&config.url))?));
                (sqlite::READERS_MAX, Some(Writer::start(connector.clone(), config.group_max)))
            }
            Location::MySql(_) | Location::Postgres(_) => (config.connections_max as usize, None),
        };
        let pool = Pool::new(connector, connections_max);
        Ok(Self { pool, writer, admission: Admission::new(connections_max) })
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
    prepare(config, migrations).await.map(drop)
}

/// Connects, checks durability and migrates. Returns the connector for all later connections.
async fn prepare(config: &Config, migrations: &Migrations) -> Result<Connector, OpenError> {
    let url = &config.url;
    let (first, later) = connectors(config)?;
    let mut retry = StartupRetry::new(config, first.dialect);
    let (mut connection, findings, schema) = loop {
        match inspect(&first, url, migrations).await {
            Ok(inspected) => break inspected,
            Err(error) => retry.pause(error).await?,
        }
    };
    durability::enforce_durability(config, &findings)?;
    if schema == SchemaState::Behind {
        migrations::migrate(url, &mut connection, migrations).await?;
    }
    // Closing the connection also releases the migration lock.
    let closed = first.within_limit(connection.inner.close()).await;
    closed.map(|()| later).map_err(OpenError::connect(url))
}

/// Connects and reads the settings and the schema version, within time limits, so that a server that stops
/// responding is retried.
async fn inspect(
    connector: &Connector,
    url: &DatabaseUrl,
    migrations: &Migrations,
) -> Result<(Connection, Vec<Finding>, SchemaState), OpenError> {
    let to_error = OpenError::connect(url);
    let mut connection = connector.connect().await.map_err(&to_error)?;
    let findings = connector.within_limit(durability::findings(&mut connection)).await.map_err(&to_error)?;
    let query = migrations::schema_state(url, &mut connection.inner, connector.dialect, migrations);
    let result = timeout(connector.transaction_max, query).await;
    let schema = result.unwrap_or_else(|_| Err(to_error(timed_out(connector.transaction_max))))?;
    Ok((connection, findings, schema))
}

/// The connectors for the first connection, which may create a file, and for all later ones.
fn connectors(config: &Config) -> Result<(Connector, Connector), OpenError> {
    sqlx::any::install_default_drivers();
    let url = &config.url;
    let (first, later, dialect) = match &*url.0 {
        Location::Sqlite(path) => {
            let (first, later) = sqlite::options(url, path)?;
            (first, later, Dialect::Sqlite)
        }
        Location::MySql(server) => server_options(url, server, Dialect::MySql)?,
        Location::Postgres(server) => server_options(url, server, Dialect::Postgres)?,
    };
    let server = match &*url.0 {
        Location::Sqlite(_) => None,
        Location::MySql(server) | Location::Postgres(server) => Some(server),
    };
    let later = Connector {
        dialect,
        options: later,
        relayed_address: server.and_then(Server::relayed_address),
        connect_max: server.and_then(Server::connect_timeout).unwrap_or(CONNECT_MAX),
        transaction_max: server.and_then(Server::io_timeout).unwrap_or(TRANSACTION_MAX),
        lifetime_max: config.connection_lifetime,
        files: None,
        metrics: config.metrics.clone(),
        #[cfg(feature = "fault-injection")]
        faults: config.faults.clone(),
    };
    Ok((Connector { options: first, ..later.clone() }, later))
}

fn server_options(
    url: &DatabaseUrl,
    server: &Server,
    dialect: Dialect,
) -> Result<(AnyConnectOptions, AnyConnectOptions, Dialect), OpenError> {
    let options: AnyConnectOptions = server.url().parse().map_err(OpenError::connect(url))?;
    Ok((options.clone(), options, dialect))
}

/// Retries a database that is down at start, for at most [`Config::wait`].
struct StartupRetry<'a> {
    config: &'a Config,
    dialect: Dialect,
    started: Instant,
    logged: bool,
}

impl<'a> StartupRetry<'a> {
    fn new(config: &'a Config, dialect: Dialect) -> Self {
        Self { config, dialect, started: Instant::now(), logged: false }
    }

    /// Pauses before the next attempt. Returns `error` if it is permanent or [`Config::wait`] is over.
    async fn pause(&mut self, error: OpenError) -> Result<(), OpenError> {
        let Config { url, wait, .. } = self.config;
        match error {
            OpenError::Connect { source, .. }
                if self.dialect.may_connect_later(&source) && self.started.elapsed() < *wait =>
            {
                if !self.logged {
                    tracing::warn!(database = %url, error = %source, "waiting up to {wait:?} for the database");
                }
                self.logged = true;
                tokio::time::sleep(RETRY_PAUSE).await;
                Ok(())
            }
            error => Err(error),
        }
    }
}
