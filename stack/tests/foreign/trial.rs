//! How a trial runs: tools first, then on a runtime of its own, every command bounded.

use std::{
    future::Future,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use libtest_mimic::{Completion, Failed, Trial};
use tokio::process::Command;

use crate::tool::Tool;

/// How long one foreign command may take; a browser on a busy machine is the slowest.
const COMMAND_MAX: Duration = Duration::from_secs(120);

/// A trial of `body` that is ignored where one of `tools` is not here and need not be.
pub(crate) fn trial<F>(name: &str, tools: &'static [Tool], body: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = Result<(), Failed>>,
{
    Trial::ignorable_test(name, move || {
        for tool in tools {
            if let Some(reason) = tool.look_for()? {
                return Ok(Completion::ignored_with(reason));
            }
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(body()).map(|()| Completion::Completed)
    })
}

/// What `command` printed and how it ended; it gets no input.
pub(crate) async fn output(command: &mut Command) -> Result<Output, Failed> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let ended = tokio::time::timeout(COMMAND_MAX, command.output()).await;
    ended.map_err(|_| format!("{command:?} was still running after {COMMAND_MAX:?}"))?.map_err(Failed::from)
}

/// The standard output of `command`, which must end with 0.
pub(crate) async fn succeed(command: &mut Command) -> Result<String, Failed> {
    let output = output(command).await?;
    let (stdout, stderr) = texts(&output);
    match output.status.success() {
        true => Ok(stdout),
        false => Err(format!("{command:?}: {}\n{stdout}\n{stderr}", output.status).into()),
    }
}

/// Standard output and standard error.
pub(crate) fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The Python script of this directory called `name`; it leaves no compiled files behind.
pub(crate) fn python(name: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg("-B").arg(workspace().join("stack/tests/foreign").join(name));
    command
}

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Fails with `why` unless `holds`.
pub(crate) fn check(holds: bool, why: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(why().into()) }
}
