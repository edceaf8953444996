//! The events of a run, line by line.

use std::{
    fmt,
    hash::{DefaultHasher, Hasher},
    time::Duration,
};

#[derive(Debug, Default)]
pub(crate) struct EventLog {
    pub(crate) lines: Vec<String>,
}

impl EventLog {
    pub(crate) fn write(&mut self, at: Duration, event: fmt::Arguments<'_>) {
        self.lines.push(format!("{:>11.3} {event}", at.as_secs_f64()));
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
