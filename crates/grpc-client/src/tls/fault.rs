//! What is wrong with files of certificates and keys.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The authorities that are trusted.
    Ca,
    /// The certificate that is shown.
    Certificate,
    /// Its private key.
    Key,
}

/// One thing that is wrong with one file. Displayed, it names the file, and shows nothing of what stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    role: Role,
    file: Option<PathBuf>,
    what: String,
}

impl Fault {
    pub(super) fn of(role: Role, file: &Path, what: impl Into<String>) -> Self {
        Self { role, file: Some(file.to_owned()), what: what.into() }
    }

    /// A fault of the system's own store of roots.
    pub(super) fn of_system(what: impl Into<String>) -> Self {
        Self { role: Role::Ca, file: None, what: what.into() }
    }

    /// What the file is for.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The file; `None` for the system's roots.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}: {}", file.display(), self.what),
            None => write!(f, "the system's root certificates: {}", self.what),
        }
    }
}

/// Everything that is wrong with the files of one side; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError(Vec<Fault>);

impl TlsError {
    /// `built`, unless a fault was found. `built` is `None` only where one was.
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
