//! How a service opens the database it was given: one that keeps what it has committed.
//!
//! [`Target`] says which database that is, [`Database::open`] opens it, brings its schema up to date and
//! asserts that a commit is on disk before it is answered. Services write portable SQL against sqlx's `Any`
//! driver, with `?` for parameters and only BIGINT, text and blob columns. What is particular to one kind of
//! database stays in this crate, in a file of its own (`sqlite`).

mod config;
mod open;
mod sqlite;
mod target;
mod watch;

pub use open::{Database, OpenError};
pub use target::{Driver, Target, TargetError};

/// Whether `error` says that a row with this key is there already. Which key it was, it does not tell:
/// sqlx knows no constraint names on SQLite and MySQL.
pub fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}
