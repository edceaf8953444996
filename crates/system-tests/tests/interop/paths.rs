//! The paths of the files that other programs read.

use std::path::{Path, PathBuf};

use tokio::process::Command;

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of this directory.
pub(crate) fn interop(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

/// The committed OpenAPI document.
pub(crate) fn openapi_document() -> PathBuf {
    workspace().join("openapi/openapi.json")
}

/// The Python script of this directory called `name`, without writing compiled files.
pub(crate) fn python(name: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg("-B").arg(interop(name));
    command
}
