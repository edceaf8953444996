//! Which database a service was given, as its configuration names it.

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

/// The kinds of database that configuration may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// A file of this process's own machine.
    Sqlite,
    /// A MySQL or MariaDB server.
    MySql,
    /// A PostgreSQL server.
    Postgres,
}

impl Driver {
    /// What [`Driver::from_str`] reads, to complete the sentence "accepted: …".
    pub const ACCEPTED: &'static str = "sqlite, mysql or postgres";

    /// The name that configuration uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::MySql => "mysql",
            Self::Postgres => "postgres",
        }
    }

    /// [`NOW_MS`](crate::NOW_MS) as its databases write it.
    pub fn now_ms(self) -> &'static str {
        let dialect = match self {
            Self::Sqlite => Dialect::Sqlite,
            Self::MySql => Dialect::MySql,
            Self::Postgres => Dialect::Postgres,
        };
        dialect.now_ms()
    }

    /// What its URLs look like.
    fn urls(self) -> &'static str {
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

/// One database. Neither `Display` nor `Debug` ever shows a password.
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

/// Why a driver and a URL name no database. Repeats nothing of the URL that could be part of a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// No driver has this name.
    #[error("found {}; accepted: {accepted}", shown(.0), accepted = Driver::ACCEPTED)]
    UnknownDriver(String),
    /// The URL is none of this driver's.
    #[error(
        "found a value that is not shown: {}; accepted with the driver {}: {}",
        faults.join(", "), .driver.name(), .driver.urls()
    )]
    Url {
        /// Whose URL it should be.
        driver: Driver,
        /// Everything that is wrong with it.
        faults: Vec<String>,
    },
}

/// A driver's name, unless it looks like a URL that was put into the wrong variable, password and all.
fn shown(driver: &str) -> String {
    if driver.contains('@') { "a value that is not shown".to_owned() } else { format!("{driver:?}") }
}

impl DatabaseUrlError {
    /// Whether the driver is at fault, rather than the URL.
    pub fn is_about_driver(&self) -> bool {
        !matches!(self, Self::Url { .. })
    }
}

impl DatabaseUrl {
    /// The database that `driver` ([`Driver::ACCEPTED`]) and `url` name.
    ///
    /// - `sqlite`: what follows `sqlite://` is the path of a file, taken as it stands: nothing in it is
    ///   percent-decoded. Parameters (`?…`), directories and `:memory:` are refused, since none of them would
    ///   be the durable file that was asked for.
    /// - `mysql`: `mysql://user:password@host:3306/database`, percent-decoded, or the form that Go's driver
    ///   reads, `user:password@tcp(host:3306)/database`, whose password is taken as it stands.
    /// - `postgres`: `postgres://user:password@host:5432/database`, percent-decoded.
    ///
    /// # Errors
    ///
    /// [`DatabaseUrlError`] names everything that is wrong, and what is accepted.
    pub fn parse(driver: &str, url: &str) -> Result<Self, DatabaseUrlError> {
        Self::for_driver(driver.parse()?, url)
    }

    pub(crate) fn for_driver(driver: Driver, url: &str) -> Result<Self, DatabaseUrlError> {
        let mut faults = Vec::new();
        let location = match driver {
            Driver::Sqlite => sqlite(url, &mut faults),
            Driver::MySql => mysql(url, &mut faults),
            Driver::Postgres => postgres(url, &mut faults),
        };
        match location {
            Some(location) if faults.is_empty() => Ok(Self(Arc::new(location))),
            _ => Err(DatabaseUrlError::Url { driver, faults }),
        }
    }
}

fn sqlite(url: &str, faults: &mut Vec<String>) -> Option<Location> {
    let path = url.strip_prefix("sqlite://").unwrap_or_default();
    let is_file = !path.is_empty() && !path.ends_with('/') && path != ":memory:";
    if is_file && !path.contains(['?', '\0', '\n', '\r']) {
        return Some(Location::Sqlite(path.into()));
    }
    faults.push("it names no file".to_owned());
    None
}

fn mysql(url: &str, faults: &mut Vec<String>) -> Option<Location> {
    let server = match url.strip_prefix("mysql://") {
        Some(rest) => url::parse(Driver::MySql, rest, faults),
        None => go_dsn::parse(url, faults),
    }?;
    // sqlx checks it against the URL's host, where no address of this kind can stand without its brackets.
    if server.relayed().is_some() && server.settings.checks_name() {
        faults.push(
            "tls=true and ssl-mode=VERIFY_IDENTITY check a certificate against a name: give one that resolves to \
             the IPv6 address, or check its authority alone (mysql://…?ssl-mode=VERIFY_CA)"
                .to_owned(),
        );
    }
    Some(Location::MySql(server))
}

fn postgres(url: &str, faults: &mut Vec<String>) -> Option<Location> {
    let Some(rest) = ["postgres://", "postgresql://"].iter().find_map(|scheme| url.strip_prefix(scheme))
    else {
        faults.push("it does not start with postgres:// or postgresql://".to_owned());
        return None;
    };
    url::parse(Driver::Postgres, rest, faults).map(Location::Postgres)
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
