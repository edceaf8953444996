//! Database configuration, read from environment variables ([`VARIABLES`]).

use std::time::Duration;

use service_kit::{
    admin::Readiness,
    env::{EnvErrors, Kind, Mode, Reader, Variable, Vars, WhenAbsent},
};

use crate::{DatabaseUrl, Driver, Metrics};

const WAIT_SECONDS_DEFAULT: u64 = 30;
const CONNECTIONS_DEFAULT: u32 = 16;
const CONNECTION_LIFETIME_SECONDS_DEFAULT: u64 = 30 * 60;
const GROUP_MAX: usize = 64;

const DB_DRIVER: Variable = Variable {
    name: "DB_DRIVER",
    kind: Kind::Text(Driver::ACCEPTED),
    when_absent: WhenAbsent::Required,
    meaning: "Kind of the database; mysql includes MariaDB.",
};
const DATA_SOURCE_URL: Variable = Variable {
    name: "DATA_SOURCE_URL",
    kind: Kind::Secret(
        "sqlite:///path, postgres://user:password@host/database, mysql://user:password@host/database, or Go's \
         user:password@tcp(host:3306)/database?parseTime=True",
    ),
    when_absent: WhenAbsent::Required,
    meaning: "URL of the database; the file of an SQLite database is created.",
};
const DB_WAIT_SECONDS: Variable = Variable {
    name: "DB_WAIT_SECONDS",
    kind: Kind::Number { from: 0, to: 3600, unit: "seconds" },
    when_absent: WhenAbsent::DefaultNumber(WAIT_SECONDS_DEFAULT),
    meaning: "How long the service retries a database that is down at start.",
};
const DB_CONNECTIONS_MAX: Variable = Variable {
    name: "DB_CONNECTIONS_MAX",
    kind: Kind::Number { from: 1, to: 1000, unit: "" },
    when_absent: WhenAbsent::DefaultNumber(CONNECTIONS_DEFAULT as u64),
    meaning: "Limit of this process's connections to a database server; ignored on SQLite.",
};
const DB_CONNECTION_LIFETIME_SECONDS: Variable = Variable {
    name: "DB_CONNECTION_LIFETIME_SECONDS",
    kind: Kind::Number { from: 1, to: 86_400, unit: "seconds" },
    when_absent: WhenAbsent::DefaultNumber(CONNECTION_LIFETIME_SECONDS_DEFAULT),
    meaning: "Maximum lifetime of a connection to a database server; jitter shortens it by up to half.",
};
const DB_DURABILITY_WAIVED: Variable = Variable {
    name: "DB_DURABILITY_WAIVED",
    kind: Kind::Text(
        "a comma list of innodb_flush_log_at_trx_commit, sync_binlog, fsync, synchronous_commit, \
         full_page_writes",
    ),
    when_absent: WhenAbsent::Means("production requires all of them"),
    meaning: "Durability settings of the server that production does not enforce.",
};

/// The variables of a service with a database.
pub const VARIABLES: &[&Variable] = &[
    &DB_DRIVER,
    &DATA_SOURCE_URL,
    &DB_WAIT_SECONDS,
    &DB_CONNECTIONS_MAX,
    &DB_CONNECTION_LIFETIME_SECONDS,
    &DB_DURABILITY_WAIVED,
];

/// The configuration of one database.
#[derive(Debug, Clone)]
pub struct Config {
    /// The database.
    pub url: DatabaseUrl,
    /// How long to retry a database that is down at start.
    pub wait: Duration,
    /// Limit of this process's connections to a server. Ignored on SQLite.
    pub connections_max: u32,
    /// Maximum lifetime of a connection, which jitter shortens by up to half.
    pub connection_lifetime: Duration,
    /// Limit of each statement, which the server enforces as well, so that none runs on after its client is
    /// gone. SQLite has no server: there the client alone bounds a transaction. `None`: transactions have the
    /// limit of a service, and statements none of their own.
    pub statement_max: Option<Duration>,
    /// Durability settings that are not enforced.
    pub waived: Vec<Waiver>,
    /// In production, durability settings are enforced.
    pub mode: Mode,
    /// Limit of transactions that share a commit on SQLite.
    pub group_max: usize,
    /// Metrics; exported once registered.
    pub metrics: Metrics,
    /// Injected faults; the service reads them together with its own.
    #[cfg(feature = "fault-injection")]
    pub faults: service_kit::fault_injection::FaultRules,
}

/// A server setting that a durable commit requires, and that the operator has exempted from the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiver {
    /// MySQL's `innodb_flush_log_at_trx_commit`.
    InnodbFlushLogAtTrxCommit,
    /// MySQL's `sync_binlog`.
    SyncBinlog,
    /// PostgreSQL's `fsync`.
    Fsync,
    /// PostgreSQL's `synchronous_commit`.
    SynchronousCommit,
    /// PostgreSQL's `full_page_writes`.
    FullPageWrites,
}

impl Waiver {
    const ALL: [Self; 5] = [
        Self::InnodbFlushLogAtTrxCommit,
        Self::SyncBinlog,
        Self::Fsync,
        Self::SynchronousCommit,
        Self::FullPageWrites,
    ];

    /// The name of the setting on its server.
    pub fn name(self) -> &'static str {
        match self {
            Self::InnodbFlushLogAtTrxCommit => "innodb_flush_log_at_trx_commit",
            Self::SyncBinlog => "sync_binlog",
            Self::Fsync => "fsync",
            Self::SynchronousCommit => "synchronous_commit",
            Self::FullPageWrites => "full_page_writes",
        }
    }

    fn list(text: &str) -> Option<Vec<Self>> {
        let by_name = |name: &str| Self::ALL.into_iter().find(|waiver| waiver.name() == name.trim());
        text.split(',').map(by_name).collect()
    }
}

impl Config {
    /// Reads the configuration of a one-off command (a migration, an operator's command). Durability findings
    /// are warnings, since the command does not serve requests.
    ///
    /// # Errors
    ///
    /// Every missing or invalid variable.
    pub fn read_for_command(vars: &Vars) -> Result<Self, EnvErrors> {
        Self::read_prefixed(vars, "")
    }

    /// As [`read_for_command`](Self::read_for_command), for variables whose names begin with `prefix`.
    ///
    /// # Errors
    ///
    /// Every missing or invalid variable.
    pub fn read_prefixed(vars: &Vars, prefix: &'static str) -> Result<Self, EnvErrors> {
        let mut reader = Reader::with_prefix(vars, &[VARIABLES], prefix);
        let config = Self::read(&mut reader, Some(Mode::Development));
        reader.finish(config)
    }

    /// Whether the driver or the URL is set under its name after `prefix`.
    pub fn is_set_with_prefix(vars: &Vars, prefix: &str) -> bool {
        [&DB_DRIVER, &DATA_SOURCE_URL].iter().any(|variable| vars.is_set_with_prefix(prefix, variable))
    }

    /// Marks the database as not ready in `readiness`, and lists the waived settings.
    pub fn log_warnings(&self, readiness: &Readiness) {
        readiness.set("database", false);
        for waiver in &self.waived {
            readiness.record_opt_out(waiver.name().to_owned());
        }
    }

    /// The database at `url` with the defaults of development.
    pub fn new(url: DatabaseUrl) -> Self {
        Self {
            url,
            wait: Duration::from_secs(WAIT_SECONDS_DEFAULT),
            connections_max: CONNECTIONS_DEFAULT,
            connection_lifetime: Duration::from_secs(CONNECTION_LIFETIME_SECONDS_DEFAULT),
            statement_max: None,
            waived: Vec::new(),
            mode: Mode::Development,
            group_max: GROUP_MAX,
            metrics: Metrics::default(),
            #[cfg(feature = "fault-injection")]
            faults: Default::default(),
        }
    }

    /// Reads the variables. `mode` is the value of `ENV`. Returns `None` where a variable, or `ENV`, is
    /// missing or invalid; `reader` has recorded the error.
    pub fn read(reader: &mut Reader<'_>, mode: Option<Mode>) -> Option<Self> {
        let url = url(reader);
        let wait = reader.number(&DB_WAIT_SECONDS);
        let connections_max = reader.number(&DB_CONNECTIONS_MAX);
        let connection_lifetime = reader.number(&DB_CONNECTION_LIFETIME_SECONDS);
        let waived = reader.value_with(&DB_DURABILITY_WAIVED, Waiver::list);
        Some(Self {
            wait: Duration::from_secs(wait?),
            connections_max: connections_max?,
            connection_lifetime: Duration::from_secs(connection_lifetime?),
            waived: waived.unwrap_or_default(),
            mode: mode?,
            ..Self::new(url?)
        })
    }
}

fn url(reader: &mut Reader<'_>) -> Option<DatabaseUrl> {
    let driver: Option<Driver> = reader.value(&DB_DRIVER);
    let text: Option<String> = reader.value(&DATA_SOURCE_URL);
    match DatabaseUrl::for_driver(driver?, &text?) {
        Ok(url) => Some(url),
        Err(error) => {
            reader.fault(&DATA_SOURCE_URL, &error.to_string());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use service_kit::env::{EnvErrors, Vars};

    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Config, EnvErrors> {
        let vars = Vars::from_iter(vars.iter().copied());
        let mut reader = Reader::new(&vars, &[VARIABLES]);
        let config = Config::read(&mut reader, Some(Mode::Production));
        reader.finish(config)
    }

    #[test]
    fn each_invalid_variable_has_its_own_line() {
        let errors = read(&[
            ("DB_DRIVER", "oracle"),
            ("DB_WAIT_SECONDS", "3601"),
            ("DB_CONNECTIONS_MAX", "0"),
            ("DB_CONNECTION_LIFETIME_SECONDS", "0"),
            ("DB_DURABILITY_WAIVED", "fsync,everything"),
        ])
        .unwrap_err();
        assert_eq!(
            errors.to_string(),
            "DB_DRIVER environment variable is invalid: found \"oracle\"; accepted: sqlite, mysql or postgres.\n\
             DATA_SOURCE_URL environment variable is missing.\n\
             DB_WAIT_SECONDS environment variable is invalid: found \"3601\"; accepted: a whole number of \
             seconds from 0 to 3600.\n\
             DB_CONNECTIONS_MAX environment variable is invalid: found \"0\"; accepted: a whole number from 1 \
             to 1000.\n\
             DB_CONNECTION_LIFETIME_SECONDS environment variable is invalid: found \"0\"; accepted: a whole \
             number of seconds from 1 to 86400.\n\
             DB_DURABILITY_WAIVED environment variable is invalid: found \"fsync,everything\"; accepted: a \
             comma list of innodb_flush_log_at_trx_commit, sync_binlog, fsync, synchronous_commit, \
             full_page_writes."
        );
    }

    #[test]
    fn an_invalid_url_is_not_shown() {
        let url = "root:hunter2@tcp(a:1)/b";
        let error = read(&[("DB_DRIVER", "sqlite"), ("DATA_SOURCE_URL", url)]).unwrap_err().to_string();
        assert!(
            error.starts_with("DATA_SOURCE_URL environment variable is invalid: found a value that is not")
        );
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn optional_variables_have_defaults() {
        let config = read(&[("DB_DRIVER", "sqlite"), ("DATA_SOURCE_URL", "sqlite:///x.db")]).unwrap();
        assert_eq!(config.url.to_string(), "sqlite:///x.db");
        assert_eq!((config.wait, config.connections_max), (Duration::from_secs(30), 16));
        assert_eq!(config.connection_lifetime, Duration::from_secs(1800));
        assert_eq!((config.waived, config.mode, config.group_max), (Vec::new(), Mode::Production, 64));
    }

    #[test]
    fn the_optional_variables_are_read() {
        let config = read(&[
            ("DB_DRIVER", "mysql"),
            ("DATA_SOURCE_URL", "root:hunter2@tcp(127.0.0.1:3306)/order"),
            ("DB_WAIT_SECONDS", "0"),
            ("DB_CONNECTIONS_MAX", "1000"),
            ("DB_CONNECTION_LIFETIME_SECONDS", "60"),
            ("DB_DURABILITY_WAIVED", "sync_binlog, fsync"),
        ])
        .unwrap();
        assert_eq!((config.wait, config.connections_max), (Duration::ZERO, 1000));
        assert_eq!(config.connection_lifetime, Duration::from_secs(60));
        assert_eq!(config.waived, [Waiver::SyncBinlog, Waiver::Fsync]);
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn the_declaration_lists_all_waivers() {
        let names = Waiver::ALL.map(Waiver::name).join(", ");
        assert_eq!(DB_DURABILITY_WAIVED.kind.to_string(), format!("a comma list of {names}"));
    }

    #[test]
    fn reading_without_a_mode_returns_none() {
        let vars = Vars::from_iter([("DB_DRIVER", "sqlite"), ("DATA_SOURCE_URL", "sqlite:///x.db")]);
        assert!(Config::read(&mut Reader::new(&vars, &[VARIABLES]), None).is_none());
    }
}
