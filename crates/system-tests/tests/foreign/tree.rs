//! Where the files are that the foreign tools are shown.

use std::path::{Path, PathBuf};

use tokio::process::Command;

/// The Python script of this directory called `name`; it leaves no compiled files behind.
pub(crate) fn python(name: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg("-B").arg(workspace().join("crates/system-tests/tests/foreign").join(name));
    command
}

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
