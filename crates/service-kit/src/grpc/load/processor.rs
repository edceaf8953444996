//! How much of the machine's processors this process uses.

use std::{num::NonZero, thread::available_parallelism, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// How far apart two looks at the clock are at least.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);

/// The processor time of this process, looked at now and then.
pub(super) struct Processor {
    cores: u32,
    at: Instant,
    spent: Duration,
    used: f64,
}

impl Processor {
    pub(super) fn new(now: Instant) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self { cores: u32::try_from(cores).unwrap_or(1), at: now, spent: spent(), used: 0.0 }
    }

    /// The part of all cores that was used between the last two looks: from 0 to 1, and 0 before the second.
    pub(super) fn used(&mut self, now: Instant) -> f64 {
        if now.saturating_duration_since(self.at) >= SAMPLE_INTERVAL {
            self.look(now, spent());
        }
        self.used
    }

    fn look(&mut self, now: Instant, spent: Duration) {
        let there_was = now.saturating_duration_since(self.at).saturating_mul(self.cores);
        self.used = spent.saturating_sub(self.spent).div_duration_f64(there_was).clamp(0.0, 1.0);
        (self.at, self.spent) = (now, spent);
    }
}

/// What this process has spent of all processors since it began.
fn spent() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_a_part_of_all_cores() {
        let began = Instant::now();
        let mut processor = Processor { cores: 4, at: began, spent: Duration::from_secs(7), used: 0.0 };
        assert_eq!(processor.used(began + SAMPLE_INTERVAL / 2), 0.0);
        processor.look(began + Duration::from_secs(1), Duration::from_secs(8));
        assert_eq!(processor.used, 0.25);
        processor.look(began + Duration::from_secs(2), Duration::from_secs(80));
        assert_eq!(processor.used, 1.0);
    }

    #[test]
    fn work_is_seen() {
        let before = spent();
        while spent() == before {
            std::hint::spin_loop();
        }
        let mut processor = Processor::new(Instant::now());
        processor.spent = Duration::ZERO;
        assert!(processor.used(Instant::now() + SAMPLE_INTERVAL) > 0.0);
    }
}
