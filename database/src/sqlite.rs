//! What is particular to SQLite: one writer, a write-ahead log that is synced at every commit, and a file that
//! may have to be created.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    AnyConnection, Connection, Executor,
    any::{AnyConnectOptions, AnyPoolOptions},
    migrate::Migrator,
};
use tokio::time::Instant;

use crate::{Database, OpenError, Target};

/// A deferred transaction that turns from reading to writing is refused at once where another has written
/// meanwhile, whatever the busy timeout; so a writer says so when it begins.
const BEGIN: &str = "BEGIN IMMEDIATE";
/// Connections for reads, which in WAL mode neither wait for the writer nor hold it up.
const READERS_MAX: u32 = 4;
/// How long a caller waits for its turn to write, or for a connection to read with.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait before asking again for a file that another process holds.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// What every connection is told. Another process (an operator's shell) is waited for this many milliseconds.
/// WAL with the default NORMAL loses the last commits when the power fails; FULL syncs each.
const PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                       PRAGMA foreign_keys = ON";

/// What SQLite answers for synchronous = FULL.
const SYNCHRONOUS_FULL: i64 = 2;

/// Why a connection is of no use.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error(transparent)]
    Failed(#[from] sqlx::Error),
    #[error("{setting} is {found}, and must be {wanted}")]
    Setting { setting: &'static str, found: String, wanted: &'static str },
}

pub(crate) async fn open(target: &Target, path: &Path, migrations: &Migrator) -> Result<Database, OpenError> {
    let file = absolute(target, path)?;
    let started = Instant::now();
    while let Err(error) = create(target, &file, migrations).await {
        if !is_busy(&error) || started.elapsed() > TURN_TIMEOUT {
            return Err(error);
        }
        tokio::time::sleep(BUSY_PAUSE).await;
    }
    // A file that vanishes later is an error, not a reason to start with an empty one.
    let options = connect_options(target, &file, "rw")?;
    let connect = OpenError::connect(target);
    let writer = pool(1).after_release(|connection, _| {
        Box::pin(async move {
            // SQLite ends a transaction by itself on some errors (a full disk), and sqlx then takes the
            // connection to be inside one for ever: the only writer would refuse every transaction. The ping
            // waits for a rollback that may still be queued.
            connection.ping().await?;
            Ok(!connection.is_in_transaction())
        })
    });
    Ok(Database {
        writer: writer.connect_with(options.clone()).await.map_err(&connect)?,
        readers: pool(READERS_MAX).connect_with(options).await.map_err(&connect)?,
        begin: BEGIN,
    })
}

fn pool(connections_max: u32) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(TURN_TIMEOUT)
        // A file does not hang up.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(|connection, _| {
            Box::pin(async move {
                prepare(connection).await.map_err(|unfit| sqlx::Error::Configuration(unfit.into()))
            })
        })
}

/// Creates the file where it is missing, and migrates it. Done on a connection of its own, since a pool goes on
/// trying where a connection proves unfit, and then says only that the time was up.
async fn create(target: &Target, file: &Path, migrations: &Migrator) -> Result<(), OpenError> {
    let options = connect_options(target, file, "rwc")?;
    let connect = OpenError::connect(target);
    let mut connection = AnyConnection::connect_with(&options).await.map_err(&connect)?;
    prepare(&mut connection).await.map_err(|unfit| match unfit {
        Unfit::Failed(error) => connect(error),
        Unfit::Setting { setting, found, wanted } => {
            OpenError::Setting { target: target.clone(), setting, found, wanted }
        }
    })?;
    // All or nothing, and one process at a time: sqlx takes no lock of its own on SQLite.
    let mut transaction = connection.begin_with(BEGIN).await.map_err(&connect)?;
    // `run` is generic over `Acquire`, of whose future the compiler cannot tell that it is `Send`: no caller
    // could spawn what awaits it. This is the way around that sqlx leaves open.
    migrations.run_direct(None, &mut *transaction, false).await.map_err(OpenError::migrate(target))?;
    transaction.commit().await.map_err(&connect)?;
    connection.close().await.map_err(&connect)
}

/// Whether another process holds the file. SQLite waits out the busy timeout for a lock, but not where two
/// turn a new file to WAL at once.
fn is_busy(error: &OpenError) -> bool {
    const SQLITE_BUSY: u32 = 5;
    let OpenError::Connect { source, .. } = error else { return false };
    let code: Option<u32> = source.as_database_error().and_then(|error| error.code()?.parse().ok());
    // The low byte is the code; what stands above it only refines it.
    code.is_some_and(|code| code & 0xff == SQLITE_BUSY)
}

/// Makes commits on this connection durable, and asserts that they are.
async fn prepare(connection: &mut AnyConnection) -> Result<(), Unfit> {
    connection.execute(PRAGMAS).await?;
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
    if journal != "wal" {
        return Err(Unfit::Setting { setting: "journal_mode", found: journal, wanted: "wal" });
    }
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await?;
    if synchronous != SYNCHRONOUS_FULL {
        let found = synchronous.to_string();
        return Err(Unfit::Setting { setting: "synchronous", found, wanted: "2 (FULL)" });
    }
    Ok(())
}

/// The file by a path without dots and links before its name: a URL would resolve `..` without looking.
fn absolute(target: &Target, path: &Path) -> Result<PathBuf, OpenError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let resolved = directory.canonicalize().and_then(|resolved| match path.file_name() {
        Some(name) if resolved.is_dir() => Ok(resolved.join(name)),
        _ => Err(io::ErrorKind::NotADirectory.into()),
    });
    resolved.map_err(|source| OpenError::Directory {
        target: target.clone(),
        directory: directory.to_owned(),
        source,
    })
}

fn connect_options(target: &Target, file: &Path, mode: &str) -> Result<AnyConnectOptions, OpenError> {
    let url = format!("sqlite://{}?mode={mode}", escaped(file));
    url.parse().map_err(OpenError::connect(target))
}

/// The path with every byte escaped that a URL could read as its own.
fn escaped(file: &Path) -> String {
    let mut text = String::new();
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => text.push((*byte).into()),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
