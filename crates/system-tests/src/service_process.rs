//! One service as a process of its own: `order-system payment`, `order-system order` or `order-system
//! gateway`.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use test_support::{Failed, check};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
};

const READY_TIMEOUT: Duration = Duration::from_secs(30);
const EXIT_TIMEOUT: Duration = Duration::from_secs(40);
const POLL_INTERVAL: Duration = Duration::from_millis(10);
const LOG_LINES_SHOWN: usize = 40;

/// The ports of services are below the ephemeral range of Linux, so that no outgoing connection takes the
/// port of a service while the service is down.
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);
const PORTS: u16 = 10_000;
const PORT_FIRST: u16 = 21_000;

pub type Vars = Vec<(&'static str, String)>;

/// `program service` with these variables and no others. It is killed when dropped.
#[must_use]
pub fn command(program: &str, service: &str, vars: &[(&str, String)]) -> Command {
    let mut command = Command::new(program);
    command.arg(service).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command.envs(vars.iter().map(|(name, value)| (name, value)));
    command
}

/// A service in production mode, which may be down. It is killed when dropped.
#[derive(Debug)]
pub struct ServiceProcess {
    /// For instance `order-0`.
    pub name: String,
    program: &'static str,
    service: &'static str,
    vars: Vars,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    log: PathBuf,
    child: Option<Child>,
}

impl ServiceProcess {
    /// A service that is down. Its log goes to a file in `directory`.
    #[must_use]
    pub fn new(
        program: &'static str,
        service: &'static str,
        index: usize,
        directory: &Path,
        vars: Vars,
    ) -> Self {
        let name = format!("{service}-{index}");
        let log = directory.join(format!("{name}.log"));
        let (address, admin) = (reserved_address(), reserved_address());
        Self { name, program, service, vars, address, admin, log, child: None }
    }

    /// Starts the service and waits until it is ready. `extra` variables override its own.
    pub async fn start(&mut self, extra: &[(&'static str, String)]) -> Result<(), Failed> {
        self.spawn(extra)?;
        self.wait_until_ready().await
    }

    /// Starts the service without waiting: it may exit before it is ready.
    pub fn spawn(&mut self, extra: &[(&'static str, String)]) -> Result<(), Failed> {
        let log = File::options().append(true).create(true).open(&self.log)?;
        let vars = [
            ("ENV", "production".to_owned()),
            ("AUTH", "none".to_owned()),
            ("PRICE_LIST", "none".to_owned()),
            ("BIND_ADDRESS", "127.0.0.1".to_owned()),
            ("RUST_LOG", "warn".to_owned()),
            ("APPLICATION_PORT", self.address.port().to_string()),
            ("ADMIN_ADDRESS", self.admin.to_string()),
        ];
        let vars = [&vars[..], &self.vars, extra].concat();
        let mut command = command(self.program, self.service, &vars);
        self.child = Some(command.stdout(Stdio::null()).stderr(log).spawn()?);
        Ok(())
    }

    async fn wait_until_ready(&mut self) -> Result<(), Failed> {
        let deadline = Instant::now() + READY_TIMEOUT;
        while !self.is_ready().await {
            let exited = self.child.as_mut().map(Child::try_wait).transpose()?.flatten();
            check(exited.is_none(), || {
                format!("{} exited at start: {exited:?}\n{}", self.name, self.last_lines())
            })?;
            check(Instant::now() < deadline, || format!("{} is not ready", self.name))?;
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    async fn is_ready(&self) -> bool {
        let status = async {
            let mut stream = TcpStream::connect(self.admin).await.ok()?;
            stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await.ok()?;
            let mut response = String::new();
            stream.read_to_string(&mut response).await.ok()?;
            Some(response.split(' ').nth(1) == Some("200"))
        };
        timeout(Duration::from_secs(1), status).await.ok().flatten().unwrap_or(false)
    }

    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> Result<(), Failed> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// SIGTERM; waits until the process exits with success.
    pub async fn terminate(&mut self) -> Result<(), Failed> {
        self.signal(Signal::TERM)?;
        let status = self.wait().await?;
        check(status.success(), || format!("{} exited with {status}", self.name))
    }

    /// Waits until fault injection has killed the process.
    pub async fn wait_until_killed(&mut self) -> Result<(), Failed> {
        let status = self.wait().await?;
        let killed = status.signal() == Some(Signal::KILL.as_raw());
        check(killed, || format!("{} was not killed by fault injection: {status}", self.name))
    }

    async fn wait(&mut self) -> Result<ExitStatus, Failed> {
        let mut child = self.child.take().ok_or_else(|| format!("{} is down", self.name))?;
        let exited = timeout(EXIT_TIMEOUT, child.wait()).await;
        Ok(exited.map_err(|_| format!("{} does not exit", self.name))??)
    }

    /// SIGSTOP: its connections stay open, and it sends nothing.
    pub fn freeze(&self) -> Result<(), Failed> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn thaw(&self) -> Result<(), Failed> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<(), Failed> {
        let pid = self.child.as_ref().and_then(Child::id).and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let pid = pid.ok_or_else(|| format!("{} is down", self.name))?;
        // The id stays valid after a kill by fault injection: the process has not been waited for.
        Ok(kill_process(pid, signal)?)
    }

    /// The log of all runs of this service.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of its log.
    #[must_use]
    pub fn last_lines(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

/// A loopback address with a port that is free, and that this function has not returned before.
fn reserved_address() -> SocketAddr {
    let offset = u16::try_from(std::process::id() % 97).unwrap_or_default() * 100;
    loop {
        let next = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        let port = PORT_FIRST + (next.wrapping_add(offset)) % PORTS;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
