//! The databases that benches compare: SQLite files, and two servers that the bench starts, with durable
//! commits and a cache of 1 GiB.

use std::path::PathBuf;

use database::Driver;
use tempfile::TempDir;
use test_support::{
    Failed,
    server::{Kind, Server},
};

use crate::figures::Failure;

const MARIADB: [&str; 2] = ["--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M"];
const POSTGRES: [&str; 4] = ["-c", "shared_buffers=1GB", "-c", "max_wal_size=4GB"];

pub(crate) enum Backend {
    Sqlite(TempDir),
    Server(Server),
}

impl Backend {
    /// Starts all three.
    pub(crate) async fn all() -> Result<[Self; 3], Failure> {
        Ok([
            Self::Sqlite(TempDir::new()?),
            Self::Server(Server::start_with(Kind::MariaDb, &MARIADB).await.map_err(to_failure)?),
            Self::Server(Server::start_with(Kind::Postgres, &POSTGRES).await.map_err(to_failure)?),
        ])
    }

    pub(crate) fn driver(&self) -> Driver {
        match self {
            Self::Sqlite(_) => Driver::Sqlite,
            Self::Server(server) => match server.kind() {
                Kind::MariaDb => Driver::MySql,
                Kind::Postgres => Driver::Postgres,
            },
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.driver() {
            Driver::Sqlite => "SQLite",
            Driver::MySql => "MariaDB",
            Driver::Postgres => "PostgreSQL",
        }
    }

    /// The `DATA_SOURCE_URL` of a new and empty database.
    pub(crate) async fn create(&self, name: &str) -> Result<String, Failure> {
        match self {
            Self::Sqlite(directory) => Ok(format!("sqlite://{}", file(directory, name).display())),
            Self::Server(server) => {
                server.create_database(name).await.map_err(to_failure)?;
                Ok(server.url(name))
            }
        }
    }
}

pub(crate) fn file(directory: &TempDir, name: &str) -> PathBuf {
    directory.path().join(format!("{name}.db"))
}

pub(crate) fn to_failure(failed: Failed) -> Failure {
    failed.message().unwrap_or("a database server failed").into()
}
