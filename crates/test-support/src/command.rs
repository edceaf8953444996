//! Foreign commands, every one bounded in time.

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use libtest_mimic::Failed;
use tokio::process::Command;

/// How long one foreign command may take; a browser on a busy machine is the slowest.
const COMMAND_MAX: Duration = Duration::from_secs(120);

/// What `command` printed and how it ended; it gets no input.
///
/// # Errors
///
/// Where it cannot be started, or still runs after two minutes.
pub async fn output(command: &mut Command) -> Result<Output, Failed> {
    output_given(Stdio::null(), command, COMMAND_MAX).await
}

/// As [`output`], for a command that may take `longest`.
///
/// # Errors
///
/// As [`output`], with that bound.
pub async fn output_within(longest: Duration, command: &mut Command) -> Result<Output, Failed> {
    output_given(Stdio::null(), command, longest).await
}

/// The standard output of `command`, which must end with 0; it gets no input.
///
/// # Errors
///
/// As [`output`], and where it ends with anything else: then with all that it printed.
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

async fn output_given(input: Stdio, command: &mut Command, longest: Duration) -> Result<Output, Failed> {
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let ended = tokio::time::timeout(longest, command.output()).await;
    ended.map_err(|_| format!("{command:?} was still running after {longest:?}"))?.map_err(Failed::from)
}

/// Standard output and standard error.
pub fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}
