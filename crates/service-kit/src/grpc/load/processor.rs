//! The share of the processors that this process uses.

use std::{num::NonZero, thread::available_parallelism, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// The least interval of two samples of the processor time.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);

/// Samples of the processor time of this process.
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

    /// The share of all cores in use between the last two samples, from 0 to 1; 0 before the second sample.
    pub(super) fn used(&mut self, now: Instant) -> f64 {
        if now.saturating_duration_since(self.at) >= SAMPLE_INTERVAL {
            self.sample(now, spent());
        }
        self.used
    }

    fn sample(&mut self, now: Instant, spent: Duration) {
        let available = now.saturating_duration_since(self.at).saturating_mul(self.cores);
        self.used = spent.saturating_sub(self.spent).div_duration_f64(available).clamp(0.0, 1.0);
        (self.at, self.spent) = (now, spent);
    }
}

/// The processor time of this process since its start.
fn spent() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_a_share_of_all_cores() {
        let began = Instant::now();
        let mut processor = Processor { cores: 4, at: began, spent: Duration::from_secs(7), used: 0.0 };
        assert_eq!(processor.used(began + SAMPLE_INTERVAL / 2), 0.0);
        processor.sample(began + Duration::from_secs(1), Duration::from_secs(8));
        assert_eq!(processor.used, 0.25);
        processor.sample(began + Duration::from_secs(2), Duration::from_secs(80));
        assert_eq!(processor.used, 1.0);
    }

    #[test]
    fn work_uses_processor_time() {
        let before = spent();
        while spent() == before {
            std::hint::spin_loop();
        }
        let mut processor = Processor::new(Instant::now());
        processor.spent = Duration::ZERO;
        assert!(processor.used(Instant::now() + SAMPLE_INTERVAL) > 0.0);
    }
}
