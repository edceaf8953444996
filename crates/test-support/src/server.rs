//! Database servers of a test's own: in a new directory, on a free port, gone with the test.

use std::{
    fs::Permissions,
    io::{Seek as _, Write as _},
    net::TcpListener,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::Stdio,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use libtest_mimic::Failed;
use tempfile::TempDir;
use tokio::{process::Command, time::Instant};

use crate::{Need, command::succeed_given};

mod mariadb;
mod postgres;
mod supervisor;

use supervisor::Supervisor;

/// What the administrator of every server has, as in the Compose file of the Go services.
const PASSWORD: &str = "verysecretpass";
/// How long a server may take until it answers, the repair of its data after a kill included.
const READY_MAX: Duration = Duration::from_secs(60);
const READY_POLL: Duration = Duration::from_millis(50);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// MariaDB, for which commits are durable.
    MariaDb,
    /// PostgreSQL as it comes, with which they are, too.
    Postgres,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::MariaDb, Self::Postgres];

    /// `mariadb` or `postgres`, as in `REQUIRE` and for the names of trials.
    pub fn name(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::Postgres => "postgres",
        }
    }

    /// What a trial with such a server needs.
    pub fn need(self) -> Need {
        match self {
            Self::MariaDb => Need::MariaDb,
            Self::Postgres => Need::Postgres,
        }
    }
}

/// A running server. It is killed, and its directory removed, when this is dropped or when the test process
/// is gone, however that went.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    port: u16,
    options: Vec<String>,
    databases: AtomicU32,
    // Before the directory: fields are dropped in order, and a server does not survive without its files.
    supervisor: Mutex<Supervisor>,
    directory: TempDir,
}

static SHARED: [tokio::sync::Mutex<Option<Arc<Server>>>; 2] =
    [tokio::sync::Mutex::const_new(None), tokio::sync::Mutex::const_new(None)];

pub(crate) fn stop_shared() {
    for server in &SHARED {
        drop(server.blocking_lock().take());
    }
}

impl Server {
    /// A new and empty server, which answers.
    ///
    /// # Errors
    ///
    /// Where it does not, with what it logged.
    pub async fn start(kind: Kind) -> Result<Self, Failed> {
        Self::start_with(kind, &[]).await
    }

    /// As [`Server::start`], with more `options` on its command line, which win over the usual ones:
    /// `--innodb-flush-log-at-trx-commit=2` for MariaDB, `-c`, `fsync=off` for PostgreSQL.
    ///
    /// # Errors
    ///
    /// Where it does not answer, with what it logged.
    pub async fn start_with(kind: Kind, options: &[&str]) -> Result<Self, Failed> {
        let directory = directory()?;
        match kind {
            Kind::MariaDb => mariadb::create(directory.path()).await?,
            Kind::Postgres => postgres::create(directory.path()).await?,
        }
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        let port = free_port()?;
        let supervisor = Mutex::new(run(kind, port, directory.path(), &options)?);
        let mut server = Self { kind, port, options, databases: AtomicU32::new(0), supervisor, directory };
        for _another_try in 0..2 {
            if server.ready().await.is_ok() {
                return Ok(server);
            }
            // Somebody else may have taken the port meanwhile.
            server.kill()?;
            server.port = free_port()?;
            server.run_again()?;
        }
        server.ready().await?;
        Ok(server)
    }

    /// The server that all trials of the process share, started for the first that asks. A trial has
    /// databases of its own there, and neither kills nor freezes it.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub async fn shared(kind: Kind) -> Result<Arc<Self>, Failed> {
        let mut shared = SHARED[kind as usize].lock().await;
        if let Some(server) = &*shared {
            return Ok(Arc::clone(server));
        }
        let server = Arc::new(Self::start(kind).await?);
        *shared = Some(Arc::clone(&server));
        Ok(server)
    }

    /// Which server it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its port on 127.0.0.1, the same after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id, or that of its last run.
    pub fn pid(&self) -> u32 {
        self.supervisor().pid()
    }

    /// What `DATA_SOURCE_URL` says for `database`.
    pub fn url(&self, database: &str) -> String {
        let (scheme, user) = match self.kind {
            Kind::MariaDb => ("mysql", "root"),
            Kind::Postgres => ("postgres", "orders"),
        };
        format!("{scheme}://{user}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// The same as Go's drivers want it: MariaDB's has a form of its own, PostgreSQL's takes the URL.
    pub fn go_dsn(&self, database: &str) -> String {
        match self.kind {
            Kind::MariaDb => format!("root:{PASSWORD}@tcp(127.0.0.1:{})/{database}", self.port),
            Kind::Postgres => self.url(database),
        }
    }

    /// Creates an empty database of a name that no other has on this server; returns the name.
    ///
    /// # Errors
    ///
    /// As [`Server::execute`].
    pub async fn new_database(&self) -> Result<String, Failed> {
        let name = format!("trial_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.create_database(&name).await?;
        Ok(name)
    }

    /// Creates an empty database of this `name`.
    ///
    /// # Errors
    ///
    /// As [`Server::execute`].
    pub async fn create_database(&self, name: &str) -> Result<(), Failed> {
        let sql = match self.kind {
            Kind::MariaDb => format!("CREATE DATABASE `{name}` CHARACTER SET utf8mb4"),
            Kind::Postgres => format!("CREATE DATABASE \"{name}\""),
        };
        self.execute("", &sql).await.map(drop)
    }

    /// Runs a script in `database` (none, where that is empty) as the administrator, through the server's own
    /// client. Returns the rows, a line for each, columns separated by tabs.
    ///
    /// # Errors
    ///
    /// Where a statement fails, at which the script ends, or where the server does not answer.
    pub async fn execute(&self, database: &str, sql: &str) -> Result<String, Failed> {
        let mut script = tempfile::tempfile()?;
        script.write_all(sql.as_bytes())?;
        script.rewind()?;
        succeed_given(Stdio::from(script), &mut self.client(database)?).await
    }

    /// Kills it (SIGKILL), with all its processes; returns when they are gone. The data stay.
    ///
    /// # Errors
    ///
    /// Where the shell above the server was killed by somebody else.
    pub fn kill(&self) -> Result<(), Failed> {
        self.supervisor().kill()
    }

    /// Stops all its processes where they are (SIGSTOP): connections stay, and nothing answers.
    ///
    /// # Errors
    ///
    /// Where it was killed.
    pub fn freeze(&self) -> Result<(), Failed> {
        self.supervisor().signal("STOP")
    }

    /// Lets it go on after [`Server::freeze`].
    ///
    /// # Errors
    ///
    /// Where it was killed.
    pub fn thaw(&self) -> Result<(), Failed> {
        self.supervisor().signal("CONT")
    }

    /// Starts it again on the same port and data, killing it first if it still runs; returns when it answers.
    ///
    /// # Errors
    ///
    /// Where it does not within a minute, with what it logged.
    pub async fn restart(&self) -> Result<(), Failed> {
        let deadline = Instant::now() + READY_MAX;
        loop {
            self.kill()?;
            self.run_again()?;
            let ready = self.ready().await;
            // A connection may have the port at its near end, and PostgreSQL still see its old self.
            if ready.is_ok() || Instant::now() >= deadline {
                return ready;
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    fn run_again(&self) -> Result<(), Failed> {
        *self.supervisor() = run(self.kind, self.port, self.directory.path(), &self.options)?;
        Ok(())
    }

    /// Waits until it answers; fails at once where it ended.
    async fn ready(&self) -> Result<(), Failed> {
        let deadline = Instant::now() + READY_MAX;
        loop {
            let runs = self.supervisor().runs();
            let Err(failed) = self.execute("", "SELECT 1").await else { return Ok(()) };
            if !runs || Instant::now() >= deadline {
                let log = std::fs::read(self.directory.path().join("log"))?;
                let why = failed.message().unwrap_or_default();
                return Err(format!("{}: {why}\n{}", self.kind.name(), String::from_utf8_lossy(&log)).into());
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    fn client(&self, database: &str) -> Result<Command, Failed> {
        match self.kind {
            Kind::MariaDb => mariadb::client(self.directory.path(), database),
            Kind::Postgres => postgres::client(self.directory.path(), self.port, database),
        }
    }

    fn supervisor(&self) -> MutexGuard<'_, Supervisor> {
        self.supervisor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run(kind: Kind, port: u16, directory: &Path, options: &[String]) -> Result<Supervisor, Failed> {
    let mut command = match kind {
        Kind::MariaDb => mariadb::server(directory, port)?,
        Kind::Postgres => postgres::server(directory, port)?,
    };
    command.extend_from_slice(options);
    Supervisor::start(directory, &command)
}

/// Directly below /tmp, since the path of a socket holds 107 bytes; open to the user `postgres`.
fn directory() -> Result<TempDir, Failed> {
    let directory = tempfile::Builder::new().prefix("trials-").tempdir_in("/tmp")?;
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
    Ok(directory)
}

/// Whom the servers' programs treat apart.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn free_port() -> Result<u16, Failed> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
