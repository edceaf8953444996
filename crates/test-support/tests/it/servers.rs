//! Each kind of server through its life, and the cleanup after a killed test process.

use std::{net::TcpStream, path::Path, process::ExitCode, process::Stdio, time::Duration};

use test_support::{
    Failed, Trial, check,
    server::{Kind, Server},
    trial,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::{sleep, timeout},
};

use crate::RUN_SERVER;

pub(crate) fn trials() -> Vec<Trial> {
    let of_kind = |kind: Kind| {
        let needs = [kind.need()];
        let name = |behaviour: &str| format!("{}_{behaviour}", kind.name());
        [
            trial(&name("keeps_rows_through_a_kill"), &needs, move || keeps_rows(kind)),
            trial(&name("gives_no_response_while_frozen"), &needs, move || freezes(kind)),
            trial(&name("options_override_defaults"), &needs, move || overrides_defaults(kind)),
            trial(&name("is_shared_within_the_process"), &needs, move || is_shared(kind)),
            trial(&name("ends_with_a_killed_test_process"), &needs, move || ends_with_process(kind)),
        ]
    };
    Kind::ALL.into_iter().flat_map(of_kind).collect()
}

async fn keeps_rows(kind: Kind) -> Result<(), Failed> {
    let server = Server::start(kind).await?;
    let database = server.new_database().await?;
    server.execute(&database, "CREATE TABLE t (n INT, s TEXT); INSERT INTO t VALUES (1, 'é')").await?;
    let killed = server.pid();
    server.kill()?;
    check(!runs(killed), || format!("{killed} still runs"))?;
    check(TcpStream::connect(("127.0.0.1", server.port())).is_err(), || "its port is still open".to_owned())?;

    server.restart().await?;
    let rows = server.execute(&database, "SELECT n, s FROM t").await?;
    check(rows == "1\té\n", || format!("{rows:?}"))?;
    check(TcpStream::connect(("127.0.0.1", server.port())).is_ok(), || "another port".to_owned())?;

    let restarted = server.pid();
    drop(server);
    check(!runs(restarted), || format!("{restarted} still runs"))
}

async fn freezes(kind: Kind) -> Result<(), Failed> {
    let server = Server::start(kind).await?;
    server.freeze()?;
    let response = timeout(Duration::from_millis(300), server.execute("", "SELECT 1")).await;
    check(response.is_err(), || format!("{response:?}"))?;
    server.thaw()?;
    let rows = server.execute("", "SELECT 1").await?;
    check(rows == "1\n", || format!("{rows:?}"))?;
    // A frozen server can be dropped.
    server.freeze()
}

async fn overrides_defaults(kind: Kind) -> Result<(), Failed> {
    let (options, query, expected): (&[&str], _, _) = match kind {
        Kind::MariaDb => (
            &["--innodb-flush-log-at-trx-commit=2"],
            "SELECT @@innodb_flush_log_at_trx_commit, @@max_connections",
            "2\t300\n",
        ),
        Kind::Postgres => (
            &["-c", "fsync=off"],
            "SHOW fsync; SHOW synchronous_commit; SHOW max_connections",
            "off\non\n300\n",
        ),
    };
    let server = Server::start_with(kind, options).await?;
    let rows = server.execute("", query).await?;
    check(rows == expected, || format!("{rows:?}"))
}

async fn is_shared(kind: Kind) -> Result<(), Failed> {
    let (one, other) = tokio::try_join!(Server::shared(kind), Server::shared(kind))?;
    check(one.pid() == other.pid(), || "two servers".to_owned())?;
    let (mine, yours) = tokio::try_join!(one.new_database(), other.new_database())?;
    check(mine != yours, || mine.clone())
}

async fn ends_with_process(kind: Kind) -> Result<(), Failed> {
    let mut process = Command::new(std::env::current_exe()?);
    process.args([RUN_SERVER, kind.name()]).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut process = process.spawn()?;
    let mut lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
    let pid: u32 = lines.next_line().await?.ok_or("no server was started")?.parse()?;
    check(runs(pid), || format!("{pid} does not run"))?;
    process.kill().await?;
    let ended = async {
        while runs(pid) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    Ok(timeout(Duration::from_secs(30), ended).await?)
}

/// The process of [`ends_with_process`]; returns only if the server cannot be started.
pub(crate) fn run_server(kind: &str) -> ExitCode {
    let Some(kind) = Kind::ALL.into_iter().find(|known| known.name() == kind) else {
        return ExitCode::FAILURE;
    };
    let Ok(runtime) = tokio::runtime::Runtime::new() else { return ExitCode::FAILURE };
    runtime.block_on(start_and_wait(kind))
}

#[allow(clippy::print_stdout, reason = "the process that started this one reads it")]
async fn start_and_wait(kind: Kind) -> ExitCode {
    let Ok(server) = Server::start(kind).await else { return ExitCode::FAILURE };
    // Frozen, the harder case: the kernel sends SIGHUP to a process group with stopped members when its
    // parent ends.
    if server.freeze().is_err() {
        return ExitCode::FAILURE;
    }
    println!("{}", server.pid());
    std::future::pending().await
}

fn runs(pid: u32) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}
