//! The whole system as one process.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{cpu, figures::Failure};

/// The program, built in the bench's profile.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_system-under-test");

/// A running system; killed when dropped.
pub(crate) struct SystemProcess {
    child: Child,
    pub(crate) gateway: SocketAddr,
    _data: TempDir,
}

impl SystemProcess {
    /// Starts it on free ports with empty databases, and waits until it prints its URL. `command` is the
    /// program, for instance [`PROGRAM`], after a wrapper such as `taskset`. `vars` override the defaults.
    pub(crate) fn start(command: &[&str], vars: &[(&str, &str)]) -> Result<Self, Failure> {
        let data = TempDir::new()?;
        let mut child = Command::new(command[0])
            .args(&command[1..])
            .args(["--gateway-port", "0", "--order-port", "0", "--payment-port", "0", "--data"])
            .arg(data.path())
            .env("PAYMENT_CREDIT_LIMIT", "1000000000")
            .env("RUST_LOG", "warn")
            .envs(vars.iter().copied())
            .stdout(Stdio::piped())
            .spawn()?;
        let printed = BufReader::new(child.stdout.take().ok_or("no stdout")?).lines();
        let url =
            printed.map_while(Result::ok).find_map(|line| Some(line.split_once("http://")?.1.to_owned()));
        let url = url.ok_or("the system printed no URL")?;
        let gateway = url.split('/').next().unwrap_or_default().parse()?;
        Ok(Self { child, gateway, _data: data })
    }

    /// `VmRSS` or `VmHWM`, in MiB.
    pub(crate) fn memory(&self, name: &str) -> Result<f64, Failure> {
        cpu::memory(self.child.id(), name)
    }

    /// User and system time, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, Failure> {
        cpu::seconds(self.child.id())
    }
}

impl Drop for SystemProcess {
    fn drop(&mut self) {
        // No graceful shutdown: its data is discarded.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
