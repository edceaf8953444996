//! Connect options of a SQLite file.

use std::{
    io,
    path::{Path, PathBuf},
};

use sqlx::any::AnyConnectOptions;

use crate::{DatabaseUrl, OpenError, database_url::Location};

/// Connections for reads. In WAL mode they neither block the writer nor wait for it.
pub(crate) const READERS_MAX: usize = 4;

/// The options of the first connection, which may create the file, and of later ones: these fail where the
/// file has disappeared, instead of creating an empty one.
pub(crate) fn options(
    url: &DatabaseUrl,
    path: &Path,
) -> Result<(AnyConnectOptions, AnyConnectOptions), OpenError> {
    let file = absolute(url, path)?;
    Ok((connect_options(url, &file, "rwc")?, connect_options(url, &file, "rw")?))
}

/// Whether `url` names a SQLite file that exists.
///
/// # Errors
///
/// [`OpenError::Directory`] where that cannot be found out.
pub(crate) fn exists(url: &DatabaseUrl) -> Result<bool, OpenError> {
    let Location::Sqlite(path) = &*url.0 else { return Ok(false) };
    let exists = path.try_exists();
    exists.map_err(|source| OpenError::Directory { url: url.clone(), directory: path.clone(), source })
}

/// The path of the database file from the root.
pub(crate) fn absolute(url: &DatabaseUrl, path: &Path) -> Result<PathBuf, OpenError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let resolved = directory.canonicalize().and_then(|resolved| match path.file_name() {
        Some(name) if resolved.is_dir() => Ok(resolved.join(name)),
        _ => Err(io::ErrorKind::NotADirectory.into()),
    });
    resolved.map_err(|source| OpenError::Directory {
        url: url.clone(),
        directory: directory.to_owned(),
        source,
    })
}

fn connect_options(url: &DatabaseUrl, file: &Path, mode: &str) -> Result<AnyConnectOptions, OpenError> {
    let options = format!("sqlite://{}?mode={mode}", escaped(file));
    options.parse().map_err(OpenError::connect(url))
}

/// The path, percent-encoded but for letters, digits and `/ . - _`.
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
