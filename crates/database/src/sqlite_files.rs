//! Detects that the files of an open SQLite database were removed or replaced.
//!
//! SQLite keeps writing into a file that has no name any more, and such commits are lost when the process
//! ends. So each group of transactions compares the files at their paths with those that were opened, before
//! it begins and before it is acknowledged.

use std::{
    fs, io, mem,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use sqlx::Connection as _;

use crate::Connection;

/// The suffixes of the database file, the write-ahead log and its index.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// The files of an open database.
#[derive(Debug)]
pub(crate) struct SqliteFiles {
    opened: [(PathBuf, Identity); SUFFIXES.len()],
    /// Keeps the write-ahead log from being removed, and created again, by other connections that close: it
    /// stays the same file until this connection closes.
    keeper: Mutex<Option<Connection>>,
}

/// Device and inode of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|file| Self(file.dev(), file.ino()))
    }
}

impl SqliteFiles {
    /// The files of the database at `path`, which `keeper` has open.
    pub(crate) fn new(keeper: Connection, path: &Path) -> io::Result<Self> {
        let opened = SUFFIXES.map(|suffix| {
            let mut path = path.as_os_str().to_owned();
            path.push(suffix);
            Identity::of(path.as_ref()).map(|identity| (path.into(), identity))
        });
        let [file, log, index] = opened;
        Ok(Self { opened: [file?, log?, index?], keeper: Mutex::new(Some(keeper)) })
    }

    /// Fails if one of the files is no longer at its path.
    pub(crate) fn check(&self) -> Result<(), sqlx::Error> {
        match self.opened.iter().find(|(path, opened)| !is_at(path, *opened)) {
            None => Ok(()),
            Some((path, _)) => Err(sqlx::Error::Io(io::Error::other(format!(
                "{} was removed or replaced while it was open",
                path.display()
            )))),
        }
    }

    /// Closes the last connection, upon which SQLite copies the write-ahead log into the database file and
    /// removes it.
    pub(crate) async fn close(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(keeper) = keeper else { return };
        let (file, opened) = &self.opened[0];
        if is_at(file, *opened) {
            // A failure leaves the log for the next process.
            let _ = keeper.inner.close().await;
        } else {
            // The log at the path may belong to the file that replaced this one: it must not be removed.
            mem::forget(keeper);
        }
    }
}

fn is_at(path: &Path, opened: Identity) -> bool {
    Identity::of(path).is_ok_and(|found| found == opened)
}
