//! Database servers for tests: each in a new directory on a free port, killed with the test process.

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

use crate::{
    Need,
    command::{succeed, succeed_given},
};

mod galera;
mod mariadb;
mod pgbouncer;
mod postgres;
mod supervisor;

pub use galera::Galera;
pub use pgbouncer::Pooler;
use supervisor::Supervisor;

/// The password of every server's administrator, as in the Compose file of the Go services.
const PASSWORD: &str = "verysecretpass";
/// How long a server may take to accept connections, including crash recovery.
const READY_MAX: Duration = Duration::from_secs(60);
const READY_POLL: Duration = Duration::from_millis(50);

/// The kinds of database server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// MariaDB, with durable commits.
    MariaDb,
    /// PostgreSQL, with durable commits.
    Postgres,
}

impl Kind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::MariaDb, Self::Postgres];

    /// `mariadb` or `postgres`, as in `REQUIRE` and the names of trials.
    pub fn name(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::Postgres => "postgres",
        }
    }

    /// The need of a trial that uses this kind of server.
    pub fn need(self) -> Need {
        match self {
            Self::MariaDb => Need::MariaDb,
            Self::Postgres => Need::Postgres,
        }
    }
}

/// A running server. It is killed and its directory removed when this is dropped or the test process ends,
/// even by SIGKILL.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    port: u16,
    options: Vec<String>,
    databases: AtomicU32,
    // Declared before the directory, since fields are dropped in order: the server ends before its files are
    // removed.
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
    /// Starts a new, empty server and waits until it accepts connections.
    ///
    /// # Errors
    ///
    /// If it does not within a minute; the error contains its log.
    pub async fn start(kind: Kind) -> Result<Self, Failed> {
        Self::start_with(kind, &[]).await
    }

    /// As [`Server::start`], with more `options` on its command line, which override the defaults:
    /// `--innodb-flush-log-at-trx-commit=2` for MariaDB, `-c`, `fsync=off` for PostgreSQL.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub async fn start_with(kind: Kind, options: &[&str]) -> Result<Self, Failed> {
        let directory = directory()?;
        match kind {
            Kind::MariaDb => mariadb::create(directory.path()).await?,
            Kind::Postgres => postgres::create(directory.path()).await?,
        }
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        if options.iter().any(|option| option == mariadb::AS_MYSQL) {
            succeed(Command::new("chown").args(["-R", "mysql"]).arg(directory.path())).await?;
        }
        let port = free_port()?;
        let supervisor = Mutex::new(run(kind, port, directory.path(), &options)?);
        let mut server = Self { kind, port, options, databases: AtomicU32::new(0), supervisor, directory };
        for _another_try in 0..2 {
            if server.ready().await.is_ok() {
                return Ok(server);
            }
            // Another process may have taken the port.
            server.kill()?;
            server.port = free_port()?;
            server.run_again()?;
        }
        server.ready().await?;
        Ok(server)
    }

    /// The server that all trials of the process share; the first call starts it. A trial creates its own
    /// databases on it, and may not kill or freeze it.
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

    /// The kind of this server.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The port on 127.0.0.1; stays the same after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the current or last run.
    pub fn pid(&self) -> u32 {
        self.supervisor().pid()
    }

    /// The `DATA_SOURCE_URL` of `database`.
    pub fn url(&self, database: &str) -> String {
        Self::url_at(self.kind, self.port, database)
    }

    fn url_at(kind: Kind, port: u16, database: &str) -> String {
        let (scheme, user) = match kind {
            Kind::MariaDb => ("mysql", "root"),
            Kind::Postgres => ("postgres", "orders"),
        };
        format!("{scheme}://{user}:{PASSWORD}@127.0.0.1:{port}/{database}")
    }

    /// The data source name for Go's drivers: MariaDB's driver has its own form, PostgreSQL's takes the URL.
    pub fn go_dsn(&self, database: &str) -> String {
        match self.kind {
            Kind::MariaDb => format!("root:{PASSWORD}@tcp(127.0.0.1:{})/{database}", self.port),
            Kind::Postgres => self.url(database),
        }
    }

    /// Creates an empty database and returns its unique name.
    ///
    /// # Errors
    ///
    /// As [`Server::execute`].
    pub async fn new_database(&self) -> Result<String, Failed> {
        let name = format!("trial_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.create_database(&name).await?;
        Ok(name)
    }

    /// Creates an empty database.
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

    /// Runs a script in `database` (an empty name selects none) as the administrator, with the server's
    /// command-line client. Returns one line per row, columns separated by tabs.
    ///
    /// # Errors
    ///
    /// If a statement fails, which ends the script, or the server is not available.
    pub async fn execute(&self, database: &str, sql: &str) -> Result<String, Failed> {
        let mut script = tempfile::tempfile()?;
        script.write_all(sql.as_bytes())?;
        script.rewind()?;
        succeed_given(Stdio::from(script), &mut self.client(database)?).await
    }

    /// Kills all processes of the server (SIGKILL) and waits for their end. The data stay.
    ///
    /// # Errors
    ///
    /// If the supervising shell is gone.
    pub fn kill(&self) -> Result<(), Failed> {
        self.supervisor().kill()
    }

    /// Suspends all processes of the server (SIGSTOP): connections stay open, and no request gets a response.
    ///
    /// # Errors
    ///
    /// If it was killed.
    pub fn freeze(&self) -> Result<(), Failed> {
        self.supervisor().signal("STOP")
    }

    /// Resumes the server after [`Server::freeze`].
    ///
    /// # Errors
    ///
    /// If it was killed.
    pub fn thaw(&self) -> Result<(), Failed> {
        self.supervisor().signal("CONT")
    }

    /// Kills the server if it still runs, starts it again on the same port and data, and waits until it
    /// accepts connections.
    ///
    /// # Errors
    ///
    /// If it does not within a minute; the error contains its log.
    pub async fn restart(&self) -> Result<(), Failed> {
        let deadline = Instant::now() + READY_MAX;
        loop {
            self.kill()?;
            self.run_again()?;
            let ready = self.ready().await;
            // An outgoing connection may use the port as its local port, and PostgreSQL may still detect its
            // old process.
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

    /// Waits until the server accepts connections; fails at once if its process has ended.
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
    if options.iter().any(|option| option == mariadb::AS_MYSQL) {
        // mariadbd ignores all but the first.
        command.retain(|option| option != "--user=root");
    }
    command.extend_from_slice(options);
    Supervisor::start(directory, &command)
}

/// A directory directly below /tmp, since the path of a socket is limited to 107 bytes; readable by the user
/// `postgres`.
fn directory() -> Result<TempDir, Failed> {
    let directory = tempfile::Builder::new().prefix("trials-").tempdir_in("/tmp")?;
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
    Ok(directory)
}

/// Whether this process runs as root, which the server programs treat specially.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn free_port() -> Result<u16, Failed> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
