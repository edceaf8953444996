//! Faults of certificate and key files.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// The purpose of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRole {
    /// Trusted certificate authorities.
    Ca,
    /// The certificate that this side presents.
    Certificate,
    /// The private key of the certificate.
    Key,
}

/// One fault of one file. The text contains the path, and nothing of the file's contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    role: FileRole,
    file: Option<PathBuf>,
    message: String,
}

impl Fault {
    pub(super) fn of(role: FileRole, file: &Path, message: impl Into<String>) -> Self {
        Self { role, file: Some(file.to_owned()), message: message.into() }
    }

    /// A fault of the system's root certificates.
    pub(super) fn of_system(message: impl Into<String>) -> Self {
        Self { role: FileRole::Ca, file: None, message: message.into() }
    }

    /// The purpose of the file.
    pub fn role(&self) -> FileRole {
        self.role
    }

    /// The file; `None` for the system's root certificates.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}: {}", file.display(), self.message),
            None => write!(f, "the system's root certificates: {}", self.message),
        }
    }
}

/// Every fault of the files of one side; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError(Vec<Fault>);

impl TlsError {
    /// `built`, unless there are faults. `built` is `None` only if there are.
    pub(super) fn unless<T>(faults: Vec<Fault>, built: Option<T>) -> Result<T, Self> {
        match built {
            Some(built) if faults.is_empty() => Ok(built),
            _ => Err(Self(faults)),
        }
    }

    /// The faults, in the order CA, certificate, key.
    pub fn faults(&self) -> &[Fault] {
        &self.0
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for TlsError {}
