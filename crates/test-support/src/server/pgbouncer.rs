//! PgBouncer in front of a PostgreSQL server.

use std::{sync::Mutex, time::Duration};

use libtest_mimic::Failed;
use tempfile::TempDir;
use tokio::{net::TcpStream, process::Command, time::Instant};

use super::{
    Kind, PASSWORD, Server, directory, free_port, is_root, postgres::unprivileged, supervisor::Supervisor,
};
use crate::{command::succeed, need::program};

/// How long PgBouncer may take to accept connections.
const READY_MAX: Duration = Duration::from_secs(20);

/// A running PgBouncer with the databases of one server. Killed as a [`Server`] is.
#[derive(Debug)]
pub struct Pooler {
    port: u16,
    // Declared before the directory: the process ends before its files are removed.
    _supervisor: Mutex<Supervisor>,
    _directory: TempDir,
}

impl Pooler {
    /// Starts PgBouncer on a free port in front of `server`, with these lines in its section `[pgbouncer]`:
    /// `pool_mode = session` for instance.
    ///
    /// # Errors
    ///
    /// If it does not accept connections; the error contains its log.
    pub async fn start(server: &Server, settings: &str) -> Result<Self, Failed> {
        let (directory, port) = (directory()?, free_port()?);
        let file = directory.path().join("pgbouncer.ini");
        std::fs::write(
            &file,
            format!(
                "[databases]\n* = host=127.0.0.1 port={} user=orders password={PASSWORD}\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = any\nignore_startup_parameters = extra_float_digits\n{settings}\n",
                server.port()
            ),
        )?;
        if is_root() {
            succeed(Command::new("chown").args(["-R", "postgres"]).arg(directory.path())).await?;
        }
        let mut command = unprivileged();
        command.extend([program(&["pgbouncer"])?, file.display().to_string()]);
        let supervisor = Supervisor::start(directory.path(), &command)?;
        let deadline = Instant::now() + READY_MAX;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if Instant::now() >= deadline || !supervisor.runs() {
                let log = std::fs::read(directory.path().join("log"))?;
                return Err(format!("pgbouncer: {}", String::from_utf8_lossy(&log)).into());
            }
            tokio::time::sleep(super::READY_POLL).await;
        }
        Ok(Self { port, _supervisor: Mutex::new(supervisor), _directory: directory })
    }

    /// The `DATA_SOURCE_URL` of `database`.
    pub fn url(&self, database: &str) -> String {
        Server::url_at(Kind::Postgres, self.port, database)
    }
}
