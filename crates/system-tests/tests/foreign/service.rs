//! One service as a process of its own, configured by its environment alone.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use serde_json::Value;
use test_support::Failed;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};

/// How long a service may take to say that it serves, the creation of its database included.
const START_MAX: Duration = Duration::from_secs(30);

/// `system SERVICE` with `environment` and no other variable.
pub(crate) fn command(service: &str, environment: &[(&str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_system-under-test"));
    command.arg(service).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    for (name, value) in environment {
        command.env(name, value);
    }
    command
}

/// A service that serves gRPC in production mode; killed when dropped.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    _child: Child,
    /// Kept open, so that the service has somewhere to log.
    _log: Lines<BufReader<ChildStderr>>,
}

impl Service {
    /// Starts `service` and waits until its log, JSON lines on stderr, says where it serves.
    pub(crate) async fn start(service: &str, environment: &[(&str, String)]) -> Result<Self, Failed> {
        let mut child = command(service, environment).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().ok_or("no stderr, though it was asked for")?;
        let mut log = BufReader::new(stderr).lines();
        let serving = tokio::time::timeout(START_MAX, address(&mut log)).await;
        let address = serving.map_err(|_| format!("{service} did not serve within {START_MAX:?}"))??;
        Ok(Self { address, _child: child, _log: log })
    }
}

async fn address(log: &mut Lines<BufReader<ChildStderr>>) -> Result<SocketAddr, Failed> {
    let mut seen = String::new();
    while let Some(line) = log.next_line().await? {
        let event: Value =
            serde_json::from_str(&line).map_err(|error| format!("{error} in log line {line}"))?;
        if event["message"] == "serving gRPC" {
            let address = event["address"].as_str().unwrap_or_default();
            return address.parse().map_err(|error| format!("{error} in log line {line}").into());
        }
        seen.push_str(&line);
        seen.push('\n');
    }
    Err(format!("the service ended before it served:\n{seen}").into())
}
