//! Commands of a PostgreSQL server in its own directory.

use std::path::Path;

use libtest_mimic::Failed;
use tokio::process::Command;

use super::{PASSWORD, is_root};
use crate::{command::succeed, need::program};

/// PostgreSQL refuses to run as root.
const AS_POSTGRES: [&str; 4] = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"];

/// Creates an empty data directory in `directory`.
pub(super) async fn create(directory: &Path) -> Result<(), Failed> {
    let password = directory.join("password");
    std::fs::write(&password, PASSWORD)?;
    let mut command = unprivileged();
    if !command.is_empty() {
        succeed(Command::new("chown").arg("postgres").arg(directory)).await?;
    }
    command.push(program(&["initdb"])?);
    command.extend(["--username=orders", "--encoding=UTF8", "--locale=C", "--no-sync"].map(str::to_owned));
    command.extend(["--auth-local=trust", "--auth-host=scram-sha-256"].map(str::to_owned));
    command.push(format!("--pwfile={}", password.display()));
    command.push(format!("--pgdata={}", directory.join("data").display()));
    succeed(Command::new(&command[0]).args(&command[1..]).current_dir(directory)).await.map(drop)
}

/// The command that runs the server in `directory`.
pub(super) fn server(directory: &Path, port: u16) -> Result<Vec<String>, Failed> {
    let mut command = unprivileged();
    command.push(program(&["postgres"])?);
    command.extend(["-D".to_owned(), directory.join("data").display().to_string()]);
    command.extend(["-h", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned));
    command.extend(["-k".to_owned(), directory.display().to_string()]);
    command.extend(["-c", "max_connections=300", "-c", "shared_buffers=64MB"].map(str::to_owned));
    // Shared memory in files of the data directory, which are removed with it even after a kill.
    command.extend(["-c", "dynamic_shared_memory_type=mmap"].map(str::to_owned));
    Ok(command)
}

/// The client, connected as the administrator; reads a script from standard input.
pub(super) fn client(directory: &Path, port: u16, database: &str) -> Result<Command, Failed> {
    let mut client = Command::new(program(&["psql"])?);
    client.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--field-separator=\t"]);
    client.args(["--set=ON_ERROR_STOP=1", "--username=orders", &format!("--port={port}")]);
    client.arg(format!("--host={}", directory.display()));
    client.arg(format!("--dbname={}", if database.is_empty() { "postgres" } else { database }));
    Ok(client)
}

/// The prefix that drops root's rights; empty for other users.
pub(super) fn unprivileged() -> Vec<String> {
    if is_root() { AS_POSTGRES.map(str::to_owned).to_vec() } else { Vec::new() }
}
