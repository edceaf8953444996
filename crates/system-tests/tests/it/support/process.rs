//! the `order-system` binary as a child process, with an environment of its own.

use std::{
    net::SocketAddr,
    process::Stdio,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::{PATIENCE, until};

/// A child process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    out: Lines,
    log: Lines,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<String>,
    /// What stood on stderr.
    pub(crate) log: Vec<String>,
}

type Lines = Arc<Mutex<Vec<String>>>;

impl Process {
    /// Starts `system` with these arguments and no other variable than these.
    pub(crate) fn start(arguments: &[&str], environment: &[(&str, String)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_system-under-test"));
        command.args(arguments).env_clear().stdin(Stdio::null()).kill_on_drop(true);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a process");
        let (out, log) = (keep(child.stdout.take()), keep(child.stderr.take()));
        Self { child, out, log }
    }

    /// Where a service that runs alone says that it serves; its log must be JSON lines.
    pub(crate) async fn address(&mut self) -> SocketAddr {
        let serving = |line: &str| {
            let event: Value = serde_json::from_str(line).expect("a log of JSON lines");
            let here = event["message"].as_str()?.starts_with("serving ");
            here.then(|| event["address"].as_str()?.parse().ok())?
        };
        self.said("it serves", |process| process.log().iter().find_map(|line| serving(line))).await
    }

    /// The URL of the gateway, as the whole system prints it.
    pub(crate) async fn url(&mut self) -> String {
        let named = |line: &String| {
            Some(line.trim().strip_prefix("Orders")?.trim().trim_end_matches("/orders").to_owned())
        };
        self.said("the system is up", |process| process.out().iter().find_map(named)).await
    }

    /// What was printed, once a line holds `text`.
    pub(crate) async fn out_until(&mut self, text: &str) -> Vec<String> {
        self.said(text, |process| process.out().iter().any(|line| line.contains(text)).then(|| process.out()))
            .await
    }

    /// What was printed so far.
    fn out(&self) -> Vec<String> {
        self.out.lock().expect("no panic while it is held").clone()
    }

    /// What was logged so far.
    fn log(&self) -> Vec<String> {
        self.log.lock().expect("no panic while it is held").clone()
    }

    /// The most memory that was resident at once.
    pub(crate) fn peak_memory_kib(&self) -> u64 {
        let pid = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Sends SIGTERM, and waits for the end no longer than `bound`.
    pub(crate) async fn terminate(self, bound: Duration) -> Ended {
        self.signal("TERM").await;
        self.end_within(bound).await
    }

    /// Ends the process as a crash would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("a process of our own");
    }

    /// Waits for a process that ends by itself.
    pub(crate) async fn end(self) -> Ended {
        self.end_within(PATIENCE).await
    }

    /// Sends a signal by its name.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let sent = Command::new("/bin/sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &pid]).status().await;
        assert!(sent.expect("a shell").success(), "cannot signal {pid}");
    }

    async fn end_within(mut self, bound: Duration) -> Ended {
        let status = timeout(bound, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("still there after {bound:?}: {:#?}", self.log()));
        // The readers hold the other two; what was written last is there when they have let go.
        until("the end of its output", || async {
            (Arc::strong_count(&self.out) + Arc::strong_count(&self.log) == 2).then_some(())
        })
        .await;
        Ended { code: status.expect("a child of our own").code(), out: self.out(), log: self.log() }
    }

    async fn said<T>(&mut self, what: &str, find: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = find(self) {
                return found;
            }
            let ended = self.child.try_wait().expect("a child of our own");
            assert!(ended.is_none() && Instant::now() < deadline, "not said: {what}: {:#?}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Keeps reading, so that the process never waits for its reader.
fn keep(source: Option<impl AsyncRead + Unpin + Send + 'static>) -> Lines {
    let kept = Lines::default();
    let (mut lines, into) = (BufReader::new(source.expect("it was asked for")).lines(), kept.clone());
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            into.lock().expect("no panic while it is held").push(line);
        }
    });
    kept
}
