//! The program under test as a child process with its own environment.

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

use super::{WAIT_MAX, eventually};

/// A child process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

/// The result of a process that has exited.
#[derive(Debug)]
pub(crate) struct Exit {
    /// `None` if a signal ended the process.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
}

type Lines = Arc<Mutex<Vec<String>>>;

impl Process {
    /// Starts the program with these arguments and with no variables but these.
    pub(crate) fn start(arguments: &[&str], environment: &[(&str, String)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_system-under-test"));
        command.args(arguments).env_clear().stdin(Stdio::null()).kill_on_drop(true);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a process");
        let (stdout, stderr) = (collect_lines(child.stdout.take()), collect_lines(child.stderr.take()));
        Self { child, stdout, stderr }
    }

    /// The address of a service, from its log, which must be JSON lines.
    pub(crate) async fn address(&mut self) -> SocketAddr {
        let address = |line: &str| {
            let event: Value = serde_json::from_str(line).expect("a log of JSON lines");
            let is_serving = event["message"].as_str()?.starts_with("serving ");
            is_serving.then(|| event["address"].as_str()?.parse().ok())?
        };
        self.wait_for("the service listens", |process| process.stderr().iter().find_map(|line| address(line)))
            .await
    }

    /// The URL of the gateway, as the all-in-one process prints it.
    pub(crate) async fn url(&mut self) -> String {
        let url = |line: &String| {
            Some(line.trim().strip_prefix("Orders")?.trim().trim_end_matches("/orders").to_owned())
        };
        self.wait_for("the system is up", |process| process.stdout().iter().find_map(url)).await
    }

    /// Waits until a line of stdout contains `text`; returns stdout.
    pub(crate) async fn stdout_until(&mut self, text: &str) -> Vec<String> {
        self.wait_for(text, |process| {
            process.stdout().iter().any(|line| line.contains(text)).then(|| process.stdout())
        })
        .await
    }

    fn stdout(&self) -> Vec<String> {
        self.stdout.lock().expect("the lock is not poisoned").clone()
    }

    fn stderr(&self) -> Vec<String> {
        self.stderr.lock().expect("the lock is not poisoned").clone()
    }

    /// The peak resident memory.
    pub(crate) fn peak_memory_kib(&self) -> u64 {
        let pid = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Sends SIGTERM and waits for the exit, for at most `bound`.
    pub(crate) async fn terminate(self, bound: Duration) -> Exit {
        self.signal("TERM").await;
        self.end_within(bound).await
    }

    /// Sends SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("a process of our own");
    }

    /// Waits for a process that exits by itself.
    pub(crate) async fn wait(self) -> Exit {
        self.end_within(WAIT_MAX).await
    }

    /// Sends a signal by its name.
    pub(crate) async fn signal(&self, name: &str) {
        send_signal(&self.child, name).await;
    }

    /// Waits until a line of stderr contains `text`.
    pub(crate) async fn stderr_until(&mut self, text: &str) {
        self.wait_for(text, |process| process.stderr().iter().any(|line| line.contains(text)).then_some(()))
            .await;
    }

    async fn end_within(mut self, bound: Duration) -> Exit {
        let status = timeout(bound, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("still there after {bound:?}: {:#?}", self.stderr()));
        // Each reader task holds one reference until the end of its stream.
        eventually("the end of its output", || async {
            (Arc::strong_count(&self.stdout) + Arc::strong_count(&self.stderr) == 2).then_some(())
        })
        .await;
        Exit {
            code: status.expect("a child of our own").code(),
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }

    async fn wait_for<T>(&mut self, what: &str, find: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            if let Some(found) = find(self) {
                return found;
            }
            let exit = self.child.try_wait().expect("a child of our own");
            assert!(
                exit.is_none() && Instant::now() < deadline,
                "{what}: not observed: {:#?}",
                self.stderr()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Sends `process` a signal by its name.
pub(crate) async fn send_signal(process: &Child, name: &str) {
    let pid = process.id().expect("it runs").to_string();
    let sent = Command::new("/bin/sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &pid]).status().await;
    assert!(sent.expect("a shell").success(), "cannot signal {pid}");
}

/// Reads continuously, so that the process never blocks on a full pipe.
fn collect_lines(source: Option<impl AsyncRead + Unpin + Send + 'static>) -> Lines {
    let collected = Lines::default();
    let (mut lines, log) = (BufReader::new(source.expect("a piped stream")).lines(), collected.clone());
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            log.lock().expect("the lock is not poisoned").push(line);
        }
    });
    collected
}
