//! Which database a service was given, as its configuration names it.

use std::{fmt, path::PathBuf, str::FromStr};

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
}

impl FromStr for Driver {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        [Self::Sqlite, Self::MySql, Self::Postgres]
            .into_iter()
            .find(|driver| driver.name() == text)
            .ok_or_else(|| TargetError::UnknownDriver(text.to_owned()))
    }
}

/// One database. Neither `Display` nor `Debug` ever shows a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Target(pub(crate) Location);

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// A file, by a path that is absolute or relative to the working directory.
    Sqlite(PathBuf),
}

/// Why a driver and a URL name no database. Repeats nothing of the URL, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No driver has this name.
    #[error("found {}; accepted: {accepted}", shown(.0), accepted = Driver::ACCEPTED)]
    UnknownDriver(String),
    /// The driver is known, but this version cannot open it.
    #[error("found {:?}, which this version does not support yet; accepted for now: sqlite", .0.name())]
    Unsupported(Driver),
    /// The URL is none of this driver's.
    #[error("found a value that is not shown; accepted with the driver {}: {accepted}", .driver.name())]
    Url {
        /// Whose URL it should be.
        driver: Driver,
        /// What it should look like.
        accepted: &'static str,
    },
}

/// A driver's name, unless it looks like a URL that was put into the wrong variable, password and all.
fn shown(driver: &str) -> String {
    if driver.contains('@') { "a value that is not shown".to_owned() } else { format!("{driver:?}") }
}

impl TargetError {
    /// Whether the driver is at fault, rather than the URL.
    pub fn is_about_driver(&self) -> bool {
        !matches!(self, Self::Url { .. })
    }
}

const SQLITE_URL: &str =
    "sqlite:///absolute/path/to/file or sqlite://relative/path/to/file, without parameters";

impl Target {
    /// The database that `driver` ([`Driver::ACCEPTED`]) and `url` name.
    ///
    /// What follows `sqlite://` is the path of a file, taken as it stands: nothing in it is percent-decoded.
    /// Parameters (`?…`), directories and `:memory:` are refused, since none of them would be the durable
    /// file that was asked for.
    ///
    /// # Errors
    ///
    /// [`TargetError`] names what is wrong and what is accepted.
    pub fn parse(driver: &str, url: &str) -> Result<Self, TargetError> {
        Self::of(driver.parse()?, url)
    }

    pub(crate) fn of(driver: Driver, url: &str) -> Result<Self, TargetError> {
        match driver {
            Driver::Sqlite => sqlite_path(url)
                .map(|path| Self(Location::Sqlite(path)))
                .ok_or(TargetError::Url { driver: Driver::Sqlite, accepted: SQLITE_URL }),
            driver @ (Driver::MySql | Driver::Postgres) => Err(TargetError::Unsupported(driver)),
        }
    }
}

fn sqlite_path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite://")?;
    let is_file = !path.is_empty() && !path.ends_with('/') && path != ":memory:";
    (is_file && !path.contains(['?', '\0', '\n', '\r'])).then(|| path.into())
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Location::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_scheme_is_the_path() {
        for (url, path) in [
            ("sqlite:///data/x.db", "/data/x.db"),
            ("sqlite://./data/x.db", "./data/x.db"),
            ("sqlite://x.db", "x.db"),
            ("sqlite:///a b/%20#1.db", "/a b/%20#1.db"),
        ] {
            let target = Target::parse("sqlite", url).unwrap();
            assert!(target == Target(Location::Sqlite(path.into())), "{url}");
            assert_eq!(target.to_string(), url);
        }
    }

    #[test]
    fn a_url_that_names_no_file_is_refused_without_being_repeated() {
        for url in [
            "",
            "x.db",
            "sqlite:x.db",
            "sqlite://",
            "sqlite:///",
            "sqlite://data/",
            "sqlite://:memory:",
            "sqlite:///x.db?mode=rwc",
            "mysql://root:hunter2@localhost/order",
            "root:hunter2@tcp(localhost:3306)/order",
        ] {
            let error = Target::parse("sqlite", url).unwrap_err();
            assert!(!error.is_about_driver(), "{url}");
            let text = format!("{error} {error:?}");
            assert!(text.contains("sqlite:///") && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_driver_of_a_later_version_is_told_from_an_unknown_one() {
        for driver in ["mysql", "postgres"] {
            let error = Target::parse(driver, "mysql://root:hunter2@localhost/order").unwrap_err();
            assert!(error.is_about_driver());
            let text = format!("{error} {error:?}");
            assert!(text.contains("not support yet") && !text.contains("hunter2"), "{text}");
        }
        let error = Target::parse("oracle", "x").unwrap_err().to_string();
        assert_eq!(error, "found \"oracle\"; accepted: sqlite, mysql or postgres");
    }

    #[test]
    fn a_url_in_the_place_of_the_driver_is_not_shown() {
        let error = Target::parse("root:hunter2@tcp(db:3306)/order", "mysql").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
