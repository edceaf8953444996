//! Database URLs: `sqlite://…`, `mysql://…`, `postgres://…`, and the DSN form of Go's MySQL driver.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

mod address;
mod duration;
mod go_dsn;
mod parameters;
#[cfg(test)]
mod rejections;
mod server;
#[cfg(test)]
mod tests;
mod url;

pub(crate) use server::Server;

use crate::dialect::Dialect;

/// The kinds of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// A SQLite file.
    Sqlite,
    /// A MySQL or MariaDB server.
    MySql,
    /// A PostgreSQL server.
    Postgres,
}

impl Driver {
    /// The names that [`Driver::from_str`] accepts, to complete the sentence "accepted: …".
    pub const ACCEPTED: &'static str = "sqlite, mysql or postgres";

    /// The value of `DB_DRIVER`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::MySql => "mysql",
            Self::Postgres => "postgres",
        }
    }

    /// The SQL expression for [`NOW_MS`](crate::NOW_MS).
    pub fn now_ms(self) -> &'static str {
        let dialect = match self {
            Self::Sqlite => Dialect::Sqlite,
            Self::MySql => Dialect::MySql,
            Self::Postgres => Dialect::Postgres,
        };
        dialect.now_ms()
    }

    /// The accepted forms of URL.
    fn url_forms(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "sqlite:///absolute/path/to/file or sqlite://relative/path/to/file, without parameters"
            }
            Self::MySql => {
                "mysql://user:password@host:3306/database, percent-encoded, \
                 or user:password@tcp(host:3306)/database"
            }
            Self::Postgres => "postgres://user:password@host:5432/database, percent-encoded",
        }
    }
}

impl FromStr for Driver {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        [Self::Sqlite, Self::MySql, Self::Postgres]
            .into_iter()
            .find(|driver| driver.name() == text)
            .ok_or_else(|| DatabaseUrlError::UnknownDriver(text.to_owned()))
    }
}

/// The URL of a database. `Display` and `Debug` omit the password and the parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(pub(crate) Arc<Location>);

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// A file, by a path that is absolute or relative to the working directory.
    Sqlite(PathBuf),
    /// A database of a MySQL or MariaDB server.
    MySql(Server),
    /// A database of a PostgreSQL server.
    Postgres(Server),
}

/// Why a driver and a URL are invalid. Shows no part of the URL that may belong to a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// There is no driver with this name.
    #[error("found {}; accepted: {accepted}", shown(.0), accepted = Driver::ACCEPTED)]
    UnknownDriver(String),
    /// The URL is invalid for this driver.
    #[error(
        "found a value that is not shown: {}; accepted with the driver {}: {}",
        errors.join(", "), .driver.name(), .driver.url_forms()
    )]
    Url {
        /// The driver.
        driver: Driver,
        /// Every error in the URL.
        errors: Vec<String>,
    },
}

/// Quotes a driver name, unless it looks like a URL in the wrong variable, with its password.
fn shown(driver: &str) -> String {
    if driver.contains('@') { "a value that is not shown".to_owned() } else { format!("{driver:?}") }
}

impl DatabaseUrlError {
    /// Whether the driver, not the URL, is invalid.
    pub fn is_about_driver(&self) -> bool {
        !matches!(self, Self::Url { .. })
    }
}

impl DatabaseUrl {
    /// Parses the URL of a database of this `driver` ([`Driver::ACCEPTED`]).
    ///
    /// - `sqlite`: `sqlite://` and the path of a file, which is not percent-decoded. Parameters (`?…`),
    ///   directories and `:memory:` are rejected, since they do not name a durable file.
    /// - `mysql`: `mysql://user:password@host:3306/database`, percent-decoded, or the DSN of Go's driver,
    ///   `user:password@tcp(host:3306)/database`, whose password is not decoded.
    /// - `postgres`: `postgres://user:password@host:5432/database`, percent-decoded.
    ///
    /// # Errors
    ///
    /// [`DatabaseUrlError`] lists every error and the accepted forms.
    pub fn parse(driver: &str, url: &str) -> Result<Self, DatabaseUrlError> {
        Self::for_driver(driver.parse()?, url)
    }

    pub(crate) fn for_driver(driver: Driver, url: &str) -> Result<Self, DatabaseUrlError> {
        let mut errors = Vec::new();
        let location = match driver {
            Driver::Sqlite => sqlite(url, &mut errors),
            Driver::MySql => mysql(url, &mut errors),
            Driver::Postgres => postgres(url, &mut errors),
        };
        match location {
            Some(location) if errors.is_empty() => Ok(Self(Arc::new(location))),
            _ => Err(DatabaseUrlError::Url { driver, errors }),
        }
    }
}

fn sqlite(url: &str, errors: &mut Vec<String>) -> Option<Location> {
    let path = url.strip_prefix("sqlite://").unwrap_or_default();
    let is_file = !path.is_empty() && !path.ends_with('/') && path != ":memory:";
    if is_file && !path.contains(['?', '\0', '\n', '\r']) {
        return Some(Location::Sqlite(path.into()));
    }
    errors.push("it names no file".to_owned());
    None
}

fn mysql(url: &str, errors: &mut Vec<String>) -> Option<Location> {
    let server = match url.strip_prefix("mysql://") {
        Some(rest) => url::parse(Driver::MySql, rest, errors),
        None => go_dsn::parse(url, errors),
    }?;
    // sqlx checks the certificate against the URL's host, in which an IPv6 address keeps its brackets.
    if server.relayed_address().is_some() && server.settings.checks_name() {
        errors.push(
            "tls=true and ssl-mode=VERIFY_IDENTITY check a certificate against a name: give one that resolves to \
             the IPv6 address, or check its authority alone (mysql://…?ssl-mode=VERIFY_CA)"
                .to_owned(),
        );
    }
    Some(Location::MySql(server))
}

fn postgres(url: &str, errors: &mut Vec<String>) -> Option<Location> {
    let Some(rest) = ["postgres://", "postgresql://"].iter().find_map(|scheme| url.strip_prefix(scheme))
    else {
        errors.push("it does not start with postgres:// or postgresql://".to_owned());
        return None;
    };
    url::parse(Driver::Postgres, rest, errors).map(Location::Postgres)
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Location::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Location::MySql(server) | Location::Postgres(server) => server.fmt(f),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
