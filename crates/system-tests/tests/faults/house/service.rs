//! One service of a house: `order-system payment`, `order-system order` or `order-system gateway` as a process of its own.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
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

/// How long a process may take to become ready, and to end.
const READY_MAX: Duration = Duration::from_secs(30);
const END_MAX: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(10);
/// How much of a log is shown.
const LOG_LINES_SHOWN: usize = 40;

/// Ports below those that the system gives to connections, so that none is taken while its owner is dead.
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);
const PORTS: u16 = 10_000;
const PORT_FIRST: u16 = 21_000;

type Vars = Vec<(&'static str, String)>;

/// A service, which may be down. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Service {
    /// `order-0`, for instance.
    pub(crate) name: String,
    command: &'static str,
    vars: Vars,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    log: PathBuf,
    child: Option<Child>,
}

impl Service {
    /// A service that does not run yet; its log goes to a file in `directory`.
    pub(crate) fn new(command: &'static str, index: usize, directory: &std::path::Path, vars: Vars) -> Self {
        let name = format!("{command}-{index}");
        let log = directory.join(format!("{name}.log"));
        Self { command, vars, address: free_address(), admin: free_address(), log, name, child: None }
    }

    /// Starts it, with `further` variables over its own, and returns when it is ready.
    pub(crate) async fn start(&mut self, further: &[(&'static str, String)]) -> Result<(), Failed> {
        self.spawn(further)?;
        self.ready().await
    }

    /// Starts it, and does not wait for it: it may die before it is ready.
    pub(crate) fn spawn(&mut self, further: &[(&'static str, String)]) -> Result<(), Failed> {
        let log = File::options().append(true).create(true).open(&self.log)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_system-under-test"));
        command.arg(self.command).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.envs([
            ("ENV", "production"),
            ("AUTH", "none"),
            ("BIND_ADDRESS", "127.0.0.1"),
            ("RUST_LOG", "warn"),
        ]);
        command.env("APPLICATION_PORT", self.address.port().to_string());
        command.env("ADMIN_ADDRESS", self.admin.to_string());
        command.envs(self.vars.iter().chain(further).map(|(name, value)| (name, value)));
        self.child = Some(command.kill_on_drop(true).spawn()?);
        Ok(())
    }

    /// Returns when it is ready.
    async fn ready(&mut self) -> Result<(), Failed> {
        let deadline = Instant::now() + READY_MAX;
        while !self.is_ready().await {
            let ended = self.child.as_mut().map(Child::try_wait).transpose()?.flatten();
            check(ended.is_none(), || format!("{} ended while it started: {ended:?}", self.name))?;
            check(Instant::now() < deadline, || format!("{} is not ready", self.name))?;
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    async fn is_ready(&self) -> bool {
        let asked = async {
            let mut stream = TcpStream::connect(self.admin).await.ok()?;
            stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            Some(answer.split(' ').nth(1) == Some("200"))
        };
        timeout(Duration::from_secs(1), asked).await.ok().flatten().unwrap_or(false)
    }

    /// Whether its process is there.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Ends it as a crash would (SIGKILL).
    pub(crate) async fn kill(&mut self) -> Result<(), Failed> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Asks it to stop (SIGTERM), and returns when it has ended by itself, with success.
    pub(crate) async fn terminate(&mut self) -> Result<(), Failed> {
        self.signal(Signal::TERM)?;
        let status = self.ended().await?;
        check(status.success(), || format!("{} ended with {status}", self.name))
    }

    /// Returns when a fail-point has killed it.
    pub(crate) async fn died(&mut self) -> Result<(), Failed> {
        let status = self.ended().await?;
        let killed = status.signal() == Some(Signal::KILL.as_raw());
        check(killed, || format!("{} was to die at a fail-point, and ended with {status}", self.name))
    }

    async fn ended(&mut self) -> Result<ExitStatus, Failed> {
        let mut child = self.child.take().ok_or_else(|| format!("{} does not run", self.name))?;
        let ended = timeout(END_MAX, child.wait()).await;
        Ok(ended.map_err(|_| format!("{} does not end", self.name))??)
    }

    /// Stops it where it is (SIGSTOP): connections stay, and nothing answers.
    pub(crate) fn freeze(&self) -> Result<(), Failed> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) -> Result<(), Failed> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<(), Failed> {
        let pid = self.child.as_ref().and_then(Child::id).and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let pid = pid.ok_or_else(|| format!("{} does not run", self.name))?;
        // One that has just been killed by a fail-point is still ours: nobody has waited for it.
        Ok(kill_process(pid, signal)?)
    }

    /// What it logged, of all its runs.
    pub(crate) fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of its log, for whoever looks at a failure.
    pub(crate) fn last_lines(&self) -> String {
        let log = self.logged();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

/// An address that nobody listens at, and that this process has given to nobody.
fn free_address() -> SocketAddr {
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
