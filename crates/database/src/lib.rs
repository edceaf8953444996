//! How a service opens the database it was given, and writes to it: one that keeps what it has committed.
//!
//! [`Config`] says which database that is, [`Database::open`] opens it, brings its schema up to date and asserts
//! that a commit is on disk before it is answered. What a service writes or reads is a [`Work`]: portable SQL with
//! `?` for parameters and only BIGINT, text and blob columns, over sqlx's `Any` driver. What differs between the
//! databases stands in `dialect` and `durability`; a file (`sqlite`) differs from a server (`server`) in how work is
//! committed: `group` lets many share one commit.

mod asked;
mod commit;
mod config;
mod dialect;
mod durability;
mod group;
mod metrics;
mod migrate;
mod open;
mod pool;
mod relay;
mod server;
mod sqlite;
mod target;
mod watch;
mod work;

#[cfg(feature = "fault-injection")]
pub use commit::POINTS;
pub use config::{Config, Waiver};
pub use dialect::NOW_MS;
pub use metrics::Metrics;
pub use migrate::Migrations;
pub use open::{Database, OpenError, migrate};
pub use target::{Driver, Target, TargetError};
pub use work::{Session, Summary, Work, WriteError};
