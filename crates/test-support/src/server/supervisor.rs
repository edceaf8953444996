//! A server process that does not outlive the test's: a shell above it holds a pipe from here.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use libtest_mimic::Failed;

const SCRIPT: &str = include_str!("supervise.sh");

/// The shell above one run of a server. When this is dropped the server is killed, and its directory removed
/// unless it was killed before.
#[derive(Debug)]
pub(super) struct Supervisor {
    shell: Child,
    /// `None` once the server was killed.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pid: u32,
}

impl Supervisor {
    /// Starts the server that `command` is, its output appended to `log` in `directory`.
    pub(super) fn start(directory: &Path, command: &[String]) -> Result<Self, Failed> {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "sh"]).arg(directory).args(command).current_dir(directory);
        // A group of its own, so that an interrupt from the keyboard ends the test and not the shell.
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut shell = shell.spawn()?;
        let orders = shell.stdin.take();
        let stdout = shell.stdout.take().ok_or("the shell has no output")?;
        let mut supervisor = Self { shell, orders, answers: BufReader::new(stdout), pid: 0 };
        supervisor.pid = supervisor.answer()?.parse()?;
        Ok(supervisor)
    }

    /// The process id of the server, which may be gone.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the server has not ended yet.
    pub(super) fn runs(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let state = status.lines().find_map(|line| line.strip_prefix("State:"));
        self.orders.is_some() && state.is_some_and(|state| !state.trim_start().starts_with(['X', 'Z']))
    }

    /// Sends `signal` (`STOP`, `CONT`) to the server and its children.
    pub(super) fn signal(&mut self, signal: &str) -> Result<(), Failed> {
        let orders = self.orders.as_mut().ok_or("the server was killed")?;
        writeln!(orders, "{signal}")?;
        self.answer().map(drop)
    }

    /// Kills the server and its children; returns when they are gone. Nothing happens the second time.
    pub(super) fn kill(&mut self) -> Result<(), Failed> {
        let Some(mut orders) = self.orders.take() else { return Ok(()) };
        writeln!(orders, "end")?;
        drop(orders);
        self.shell.wait()?;
        Ok(())
    }

    fn answer(&mut self) -> Result<String, Failed> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Without `end` the shell removes the directory too, even if this process is killed meanwhile. Where
        // the wait fails the shell is gone, and there is nobody to tell.
        drop(self.orders.take());
        let _ = self.shell.wait();
    }
}
