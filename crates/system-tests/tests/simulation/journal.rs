//! What happened in a run, line by line, and a hash by which two runs are told to be the same.

use std::{
    fmt,
    hash::{DefaultHasher, Hasher},
    time::Duration,
};

/// The lines of a run.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) lines: Vec<String>,
}

impl Journal {
    pub(crate) fn write(&mut self, at: Duration, what: fmt::Arguments<'_>) {
        self.lines.push(format!("{:>11.3} {what}", at.as_secs_f64()));
    }

    /// Equal for equal lines, in any process.
    pub(crate) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for line in &self.lines {
            hasher.write(line.as_bytes());
            hasher.write_u8(b'\n');
        }
        hasher.finish()
    }
}
