//! Start: connect, check the server and the schema, migrate.

use std::time::Duration;

use sqlx::{AnyConnection, Connection as _};
use tokio::time::{Instant, timeout};

use crate::{
    Config, Connection, Migrations, OpenError,
    connector::Connector,
    dialect::{Dialect, timed_out},
    durability::{self, Finding},
    encoding,
    error::Cause,
    migrations::{self, SchemaState},
    options::connectors,
    pooling, sqlite,
};

/// Pause between two attempts to connect at start.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Connects, checks the server and migrates. Returns the connector for all later connections.
pub(crate) async fn prepare(config: &Config, migrations: &Migrations) -> Result<Connector, OpenError> {
    let (first, later) = connectors(config)?;
    let mut retry = StartupRetry::new(config, first.dialect);
    if sqlite::exists(&config.url)? {
        file_state(config, &later, migrations, &mut retry).await?;
    }
    loop {
        let prepared = async {
            let Inspected { mut connection, findings, schema } = inspect(config, &first, migrations).await?;
            durability::enforce_durability(config, &findings)?;
            if schema != SchemaState::Current {
                migrations::migrate(&config.url, &first, &mut connection, migrations).await?;
            }
            let closed = first.within_limit(connection.inner.close()).await;
            closed.map_err(OpenError::connect(&config.url))
        };
        match prepared.await {
            Ok(()) => return Ok(later),
            Err(error) => retry.pause(error).await?,
        }
    }
}

/// Connects to a database that must have the schema of `migrations`, and changes nothing.
pub(crate) async fn prepare_existing(
    config: &Config,
    migrations: &Migrations,
) -> Result<Connector, OpenError> {
    let (_, connector) = connectors(config)?;
    let command = || migrations.command();
    if connector.dialect == Dialect::Sqlite && !sqlite::exists(&config.url)? {
        return Err(OpenError::MissingFile { url: config.url.clone(), command: command() });
    }
    let behind = || OpenError::Behind { url: config.url.clone(), command: command() };
    let mut retry = StartupRetry::new(config, connector.dialect);
    if connector.dialect == Dialect::Sqlite
        && file_state(config, &connector, migrations, &mut retry).await? == SchemaState::Behind
    {
        return Err(behind());
    }
    let Inspected { connection, findings, schema } = loop {
        match inspect(config, &connector, migrations).await {
            Ok(inspected) => break inspected,
            Err(error) => retry.pause(error).await?,
        }
    };
    if schema == SchemaState::Behind {
        return Err(behind());
    }
    durability::enforce_durability(config, &findings)?;
    let closed = connector.within_limit(connection.inner.close()).await;
    closed.map(|()| connector).map_err(OpenError::connect(&config.url))
}

/// The state of a SQLite file without the session settings, which turn it into a WAL file: a file of another
/// program is not changed.
async fn file_state(
    config: &Config,
    connector: &Connector,
    migrations: &Migrations,
    retry: &mut StartupRetry<'_>,
) -> Result<SchemaState, OpenError> {
    let failed = OpenError::connect(&config.url);
    loop {
        let checked = async {
            let inner = AnyConnection::connect_with(&connector.options).await.map_err(&failed)?;
            let mut connection = Connection { inner, dialect: connector.dialect };
            let state = migrations::schema_state(&config.url, &mut connection, migrations).await;
            let closed = connection.inner.close().await.map_err(&failed);
            state.and_then(|state| closed.map(|()| state))
        };
        match checked.await {
            Ok(state) => return Ok(state),
            Err(error) => retry.pause(error).await?,
        }
    }
}

/// A checked connection.
struct Inspected {
    connection: Connection,
    /// Settings that may lose commits.
    findings: Vec<Finding>,
    schema: SchemaState,
}

/// Connects, and reads the settings and the schema version, within time limits, so that a server that stops
/// responding is retried.
async fn inspect(
    config: &Config,
    connector: &Connector,
    migrations: &Migrations,
) -> Result<Inspected, OpenError> {
    let url = &config.url;
    let to_error = OpenError::connect(url);
    let mut connection = connector.connect().await.map_err(&to_error)?;
    let shared = timeout(2 * connector.connect_max, pooling::is_shared(connector, &mut connection)).await;
    if shared.unwrap_or_else(|_| Err(timed_out(2 * connector.connect_max))).map_err(&to_error)? {
        return Err(OpenError::TransactionPooling { url: url.clone() });
    }
    let findings = connector.within_limit(durability::findings(&mut connection)).await.map_err(&to_error)?;
    let query = async {
        encoding::check(url, &mut connection).await?;
        migrations::schema_state(url, &mut connection, migrations).await
    };
    let result = timeout(connector.transaction_max, query).await;
    let schema = result.unwrap_or_else(|_| Err(to_error(timed_out(connector.transaction_max))))?;
    Ok(Inspected { connection, findings, schema })
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
                    tracing::warn!(database = %url, error = %Cause(&source), "waiting up to {wait:?} for the database");
                }
                self.logged = true;
                tokio::time::sleep(RETRY_PAUSE).await;
                Ok(())
            }
            error => Err(error),
        }
    }
}
