//! The options of a configuration's connections.

use std::time::Duration;

use sqlx::any::AnyConnectOptions;

use crate::{
    Config, DatabaseUrl, OpenError,
    connector::Connector,
    database_url::{Location, Server},
    dialect::Dialect,
    sqlite,
};

/// Default limit for connecting; the URL may set another.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Default limit for one transaction; the URL may set another.
const TRANSACTION_MAX: Duration = Duration::from_secs(5);
/// How much longer than [`Config::statement_max`] the client waits: the server reports the limit first.
const STATEMENT_GRACE: Duration = Duration::from_secs(1);

/// The connectors for the first connection, which may create a file, and for all later ones.
pub(crate) fn connectors(config: &Config) -> Result<(Connector, Connector), OpenError> {
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
        transaction_max: config
            .statement_max
            .map(|limit| limit + STATEMENT_GRACE)
            .or_else(|| server.and_then(Server::io_timeout))
            .unwrap_or(TRANSACTION_MAX),
        statement_max: config.statement_max,
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
