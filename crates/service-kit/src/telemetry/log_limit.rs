//! The rate limit of log lines that clients can cause.

use std::time::{Duration, Instant};

/// Passes one line per interval, and counts the others.
#[derive(Debug)]
pub(crate) struct LogLimit {
    interval: Duration,
    last: Option<Instant>,
    suppressed: u64,
}

impl LogLimit {
    pub(crate) fn every(interval: Duration) -> Self {
        Self { interval, last: None, suppressed: 0 }
    }

    /// The number of lines that were suppressed since the last one; `None` to suppress this one.
    pub(crate) fn next_line(&mut self) -> Option<u64> {
        if self.last.is_some_and(|last| last.elapsed() < self.interval) {
            self.suppressed += 1;
            return None;
        }
        self.last = Some(Instant::now());
        Some(std::mem::take(&mut self.suppressed))
    }
}
