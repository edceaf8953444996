//! A new database of each kind.

use std::sync::Arc;

use database::{Config, Database, DatabaseUrl};
use order::adapters::db::MIGRATIONS;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;
use test_support::{
    Failed, Need,
    server::{self, Server},
};

/// The kind of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    MariaDb,
    Postgres,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Sqlite, Self::MariaDb, Self::Postgres];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::MariaDb => "mariadb",
            Self::Postgres => "postgres",
        }
    }

    pub(crate) fn needs(self) -> &'static [Need] {
        match self {
            Self::Sqlite => &[],
            Self::MariaDb => &[Need::MariaDb],
            Self::Postgres => &[Need::Postgres],
        }
    }
}

/// A new database for one test.
pub(crate) enum TestDatabase {
    File(TempDir),
    Served(Arc<Server>, String),
}

impl TestDatabase {
    pub(crate) async fn new(kind: Kind) -> Result<Self, Failed> {
        let server = match kind {
            Kind::Sqlite => return Ok(Self::File(tempfile::tempdir()?)),
            Kind::MariaDb => Server::shared(server::Kind::MariaDb).await?,
            Kind::Postgres => Server::shared(server::Kind::Postgres).await?,
        };
        let name = server.new_database().await?;
        Ok(Self::Served(server, name))
    }

    fn url(&self) -> String {
        match self {
            Self::File(directory) => format!("sqlite://{}", directory.path().join("orders.db").display()),
            Self::Served(server, name) => server.url(name),
        }
    }

    /// Migrates the database, and opens an instance of its own.
    pub(crate) async fn open(&self) -> Result<Database, Failed> {
        let driver = match self {
            Self::File(_) => "sqlite",
            Self::Served(server, _) if server.kind() == server::Kind::MariaDb => "mysql",
            Self::Served(..) => "postgres",
        };
        let config = Config::new(DatabaseUrl::parse(driver, &self.url())?);
        Ok(Database::open(&config, &MIGRATIONS).await?)
    }

    /// Runs a script on a connection of its own.
    pub(crate) async fn execute(&self, sql: &str) -> Result<(), Failed> {
        match self {
            Self::File(_) => {
                let mut connection = AnyConnection::connect(&self.url()).await?;
                connection.execute(AssertSqlSafe(sql.to_owned())).await?;
            }
            Self::Served(server, name) => drop(server.execute(name, sql).await?),
        }
        Ok(())
    }
}
