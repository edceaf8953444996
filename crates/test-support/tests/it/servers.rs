//! Each kind of server through its life, and that of a test process that is killed.

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

use crate::HOLD;

pub(crate) fn trials() -> Vec<Trial> {
    let of_kind = |kind: Kind| {
        let needs = [kind.need()];
        let name = |says: &str| format!("{}_{says}", kind.name());
        [
            trial(&name("keeps_its_rows_through_a_kill"), &needs, move || keeps_its_rows(kind)),
            trial(&name("answers_nothing_while_frozen"), &needs, move || freezes(kind)),
            trial(&name("takes_options_that_win"), &needs, move || takes_options(kind)),
            trial(&name("is_shared_by_those_who_ask"), &needs, move || is_shared(kind)),
            trial(&name("is_gone_with_a_killed_process"), &needs, move || is_gone(kind)),
        ]
    };
    Kind::ALL.into_iter().flat_map(of_kind).collect()
}

async fn keeps_its_rows(kind: Kind) -> Result<(), Failed> {
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
    let answer = timeout(Duration::from_millis(300), server.execute("", "SELECT 1")).await;
    check(answer.is_err(), || format!("{answer:?}"))?;
    server.thaw()?;
    let answer = server.execute("", "SELECT 1").await?;
    check(answer == "1\n", || format!("{answer:?}"))?;
    // Nobody has to thaw it before it is dropped.
    server.freeze()
}

async fn takes_options(kind: Kind) -> Result<(), Failed> {
    let (options, question, expected): (&[&str], _, _) = match kind {
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
    let answer = server.execute("", question).await?;
    check(answer == expected, || format!("{answer:?}"))
}

async fn is_shared(kind: Kind) -> Result<(), Failed> {
    let (one, other) = tokio::try_join!(Server::shared(kind), Server::shared(kind))?;
    check(one.pid() == other.pid(), || "two servers".to_owned())?;
    let (mine, yours) = tokio::try_join!(one.new_database(), other.new_database())?;
    check(mine != yours, || mine.clone())
}

async fn is_gone(kind: Kind) -> Result<(), Failed> {
    let mut holder = Command::new(std::env::current_exe()?);
    holder.args([HOLD, kind.name()]).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut holder = holder.spawn()?;
    let mut said = BufReader::new(holder.stdout.take().ok_or("no output")?).lines();
    let pid: u32 = said.next_line().await?.ok_or("it held no server")?.parse()?;
    check(runs(pid), || format!("{pid} does not run"))?;
    holder.kill().await?;
    let gone = async {
        while runs(pid) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    Ok(timeout(Duration::from_secs(30), gone).await?)
}

/// The other side of [`is_gone`]; returns where there is no server to hold.
pub(crate) fn hold(kind: &str) -> ExitCode {
    let Some(kind) = Kind::ALL.into_iter().find(|known| known.name() == kind) else {
        return ExitCode::FAILURE;
    };
    let Ok(runtime) = tokio::runtime::Runtime::new() else { return ExitCode::FAILURE };
    runtime.block_on(start_and_wait(kind))
}

#[allow(clippy::print_stdout, reason = "the process that started this one reads it")]
async fn start_and_wait(kind: Kind) -> ExitCode {
    let Ok(server) = Server::start(kind).await else { return ExitCode::FAILURE };
    // Harder than a server that runs: the kernel hangs up on a group with stopped members when its parent goes.
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
