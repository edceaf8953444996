//! Opens a SQLite, MySQL or PostgreSQL database and runs transactions on it.
//!
//! [`Config`] names the database. [`Database::open`] connects, checks the server and the schema, and applies
//! migrations; [`Database::open_existing`] changes nothing. A service reads and writes with [`Transaction`]s: portable SQL over sqlx's `Any` driver, with
//! `?` for parameters and only BIGINT, text and blob columns. `dialect` and `durability` hold the differences
//! between the databases. `execute` commits on a server, `group_commit` on SQLite, where many transactions
//! share one commit.

mod admission;
mod commit;
mod config;
mod connector;
mod data_errors;
mod database_url;
mod dialect;
mod durability;
mod encoding;
mod error;
mod execute;
mod group_commit;
mod health;
mod metrics;
mod migrations;
mod open;
mod operation_span;
mod options;
mod pool;
mod pooling;
mod relay;
mod sqlite;
mod sqlite_files;
mod startup;
mod transaction;

pub use admission::contention_key;
#[cfg(feature = "fault-injection")]
pub use commit::POINTS;
pub use config::{Config, VARIABLES, Waiver};
pub use data_errors::is_data_error;
pub use database_url::{DatabaseUrl, DatabaseUrlError, Driver};
pub use dialect::NOW_MS;
pub use error::{Cause, MigrationName, OpenError};
pub use metrics::Metrics;
pub use migrations::{Migrations, Table};
pub use open::{Database, migrate};
pub use transaction::{Connection, Summary, Transaction, WriteError};
