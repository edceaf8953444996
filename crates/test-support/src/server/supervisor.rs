//! A server process that ends with the test process: its parent is a shell that reads a pipe from here.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use libtest_mimic::Failed;

const SCRIPT: &str = include_str!("supervise.sh");

/// The parent shell of one run of a server. Dropping this kills the server, and removes its directory unless
/// the server was killed before.
#[derive(Debug)]
pub(super) struct Supervisor {
    shell: Child,
    /// The shell's input; `None` after the server was killed.
    commands: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
    pid: u32,
}

impl Supervisor {
    /// Starts the server with `command`; its output is appended to `log` in `directory`.
    pub(super) fn start(directory: &Path, command: &[String]) -> Result<Self, Failed> {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "sh"]).arg(directory).args(command).current_dir(directory);
        // A process group of its own: an interrupt from the keyboard must not reach the shell.
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut shell = shell.spawn()?;
        let commands = shell.stdin.take();
        let stdout = shell.stdout.take().ok_or("the shell has no output")?;
        let mut supervisor = Self { shell, commands, replies: BufReader::new(stdout), pid: 0 };
        supervisor.pid = supervisor.reply()?.parse()?;
        Ok(supervisor)
    }

    /// The process id of the server, which may have ended.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the server process is running.
    pub(super) fn runs(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let state = status.lines().find_map(|line| line.strip_prefix("State:"));
        self.commands.is_some() && state.is_some_and(|state| !state.trim_start().starts_with(['X', 'Z']))
    }

    /// Sends `signal` (`STOP`, `CONT`) to the server and its children.
    pub(super) fn signal(&mut self, signal: &str) -> Result<(), Failed> {
        let commands = self.commands.as_mut().ok_or("the server was killed")?;
        writeln!(commands, "{signal}")?;
        self.reply().map(drop)
    }

    /// Kills the server and its children and waits for their end. A second call has no effect.
    pub(super) fn kill(&mut self) -> Result<(), Failed> {
        let Some(mut commands) = self.commands.take() else { return Ok(()) };
        writeln!(commands, "end")?;
        drop(commands);
        self.shell.wait()?;
        Ok(())
    }

    fn reply(&mut self) -> Result<String, Failed> {
        let mut line = String::new();
        self.replies.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Closing the input without `end` makes the shell remove the directory, even if this process is
        // killed now. The wait fails only if the shell is gone.
        drop(self.commands.take());
        let _ = self.shell.wait();
    }
}
