//! Runs external commands with a time limit.

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use libtest_mimic::Failed;
use tokio::process::Command;

/// Default time limit; a browser on a busy machine is the slowest command.
const COMMAND_MAX: Duration = Duration::from_secs(120);

/// Runs `command` with empty input; returns its output and exit status.
///
/// # Errors
///
/// If it cannot be started or runs for more than two minutes.
pub async fn output(command: &mut Command) -> Result<Output, Failed> {
    output_given(Stdio::null(), command, COMMAND_MAX).await
}

/// As [`output`], with another time limit.
pub async fn output_within(limit: Duration, command: &mut Command) -> Result<Output, Failed> {
    output_given(Stdio::null(), command, limit).await
}

/// Runs `command` with empty input; returns its standard output.
///
/// # Errors
///
/// As [`output`], and if its exit status is not 0; the error contains what it printed.
pub async fn succeed(command: &mut Command) -> Result<String, Failed> {
    succeed_given(Stdio::null(), command).await
}

/// As [`succeed`], with `input`.
pub(crate) async fn succeed_given(input: Stdio, command: &mut Command) -> Result<String, Failed> {
    let output = output_given(input, command, COMMAND_MAX).await?;
    let (stdout, stderr) = texts(&output);
    match output.status.success() {
        true => Ok(stdout),
        false => Err(format!("{command:?}: {}\n{stdout}\n{stderr}", output.status).into()),
    }
}

async fn output_given(input: Stdio, command: &mut Command, limit: Duration) -> Result<Output, Failed> {
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let ended = tokio::time::timeout(limit, command.output()).await;
    ended.map_err(|_| format!("{command:?} was still running after {limit:?}"))?.map_err(Failed::from)
}

/// Standard output and standard error as text.
pub fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}
