//! The system as a process of its own, and what Linux says of it.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{cpu, figures::Failure};

/// The program of the profile that the bench is built in.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_system-under-test");

/// A running system; killed when dropped.
pub(crate) struct SystemProcess {
    child: Child,
    pub(crate) gateway: SocketAddr,
    _data: TempDir,
}

impl SystemProcess {
    /// Starts it on free ports with fresh databases, and waits until it says where it is. `words` are the program, of
    /// [`PROGRAM`] for instance, after what runs it, and `vars` are variables over the usual ones.
    pub(crate) fn start(words: &[&str], vars: &[(&str, &str)]) -> Result<Self, Failure> {
        let data = TempDir::new()?;
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .args(["--gateway-port", "0", "--order-port", "0", "--payment-port", "0", "--data"])
            .arg(data.path())
            .env("PAYMENT_CREDIT_LIMIT", "1000000000")
            .env("RUST_LOG", "warn")
            .envs(vars.iter().copied())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = BufReader::new(child.stdout.take().ok_or("no stdout")?).lines();
        let url = said.map_while(Result::ok).find_map(|line| Some(line.split_once("http://")?.1.to_owned()));
        let url = url.ok_or("the system did not say where it is")?;
        let gateway = url.split('/').next().unwrap_or_default().parse()?;
        Ok(Self { child, gateway, _data: data })
    }

    /// `VmRSS` or `VmHWM`, in MiB.
    pub(crate) fn memory(&self, name: &str) -> Result<f64, Failure> {
        cpu::memory(self.child.id(), name)
    }

    /// Processor time that it has used, of user and system.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, Failure> {
        cpu::seconds(self.child.id())
    }
}

impl Drop for SystemProcess {
    fn drop(&mut self) {
        // It holds nothing that is worth a graceful end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
