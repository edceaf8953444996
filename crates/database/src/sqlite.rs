//! What is particular to the file of a SQLite database: it may have to be created, and its path is no URL.

use std::{
    io,
    path::{Path, PathBuf},
};

use sqlx::any::AnyConnectOptions;

use crate::{OpenError, Target};

/// Connections for reads, which in WAL mode neither wait for the writer nor hold it up.
pub(crate) const READERS_MAX: usize = 4;

/// How the file is opened: the first time, which may create it, and later, when one that has vanished is an
/// error and not a reason to start with an empty one.
pub(crate) fn options(
    target: &Target,
    path: &Path,
) -> Result<(AnyConnectOptions, AnyConnectOptions), OpenError> {
    let file = absolute(target, path)?;
    Ok((connect_options(target, &file, "rwc")?, connect_options(target, &file, "rw")?))
}

fn absolute(target: &Target, path: &Path) -> Result<PathBuf, OpenError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let resolved = directory.canonicalize().and_then(|resolved| match path.file_name() {
        Some(name) if resolved.is_dir() => Ok(resolved.join(name)),
        _ => Err(io::ErrorKind::NotADirectory.into()),
    });
    resolved.map_err(|source| OpenError::Directory {
        target: target.clone(),
        directory: directory.to_owned(),
        source,
    })
}

fn connect_options(target: &Target, file: &Path, mode: &str) -> Result<AnyConnectOptions, OpenError> {
    let url = format!("sqlite://{}?mode={mode}", escaped(file));
    url.parse().map_err(OpenError::connect(target))
}

/// The path with every byte escaped that a URL could read as its own.
fn escaped(file: &Path) -> String {
    let mut text = String::new();
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => text.push((*byte).into()),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
