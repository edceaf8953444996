//! What an endpoint last reported of its load.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use crate::orca::LoadReport;

/// Reports older than this say nothing any more.
const REPORT_AGE_MAX: Duration = Duration::from_secs(10);
/// Load that an idle endpoint still counts as having, in thousandths: otherwise calls in flight there would weigh nothing.
const LOAD_MIN: u32 = 50;
/// Bits of a load; the rest is when it was reported.
const LOAD_BITS: u32 = 20;
const LOAD_MAX: u32 = (1 << LOAD_BITS) - 1;

/// The load in thousandths of what the endpoint can take, and when that was said, in one word.
#[derive(Debug)]
pub(crate) struct Load {
    started: Instant,
    reported: AtomicU64,
}

impl Default for Load {
    fn default() -> Self {
        Self { started: Instant::now(), reported: AtomicU64::new(0) }
    }
}

impl Load {
    /// Keeps what `report` says, unless it says nothing of use.
    pub(crate) fn keep(&self, report: &LoadReport) {
        if let Some(load) = weigh(report) {
            self.reported
                .store(self.since_start(Instant::now()) << LOAD_BITS | u64::from(load), Ordering::Relaxed);
        }
    }

    /// In thousandths; `None` where nothing was said lately.
    pub(crate) fn thousandths(&self, now: Instant) -> Option<u32> {
        let reported = self.reported.load(Ordering::Relaxed);
        let age = self.since_start(now).saturating_sub(reported >> LOAD_BITS);
        let load = u32::try_from(reported & u64::from(LOAD_MAX)).ok()?;
        (reported != 0 && Duration::from_millis(age) <= REPORT_AGE_MAX).then_some(load)
    }

    fn since_start(&self, now: Instant) -> u64 {
        // The load is never 0, so that neither is the word.
        u64::try_from(now.saturating_duration_since(self.started).as_millis())
            .unwrap_or(u64::MAX >> LOAD_BITS)
    }
}

/// Utilisation, and as much again for the part of answers that are errors (gRFC A58, with a penalty of 1).
fn weigh(report: &LoadReport) -> Option<u32> {
    let thousandths = |part: f64| {
        // Seconds to milliseconds: the library's own exact and checked conversion.
        let bounded = part.clamp(0.0, f64::from(LOAD_MAX));
        u32::try_from(Duration::try_from_secs_f64(bounded).ok()?.as_millis()).ok()
    };
    let usable = |part: f64| part.is_finite() && part >= 0.0;
    if !usable(report.utilization) {
        return None;
    }
    let errors = if usable(report.eps) && usable(report.rps) && report.rps > 0.0 {
        let (eps, rps) = (thousandths(report.eps)?, thousandths(report.rps)?.max(1));
        u32::try_from(u64::from(eps) * 1000 / u64::from(rps)).ok()?.min(1000)
    } else {
        0
    };
    Some(thousandths(report.utilization)?.saturating_add(errors).clamp(LOAD_MIN, LOAD_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(utilization: f64, rps: f64, eps: f64) -> LoadReport {
        LoadReport { utilization, rps, eps }
    }

    #[test]
    fn errors_weigh_as_much_as_work() {
        assert_eq!(weigh(&report(0.5, 0.0, 0.0)), Some(500));
        assert_eq!(weigh(&report(0.5, 100.0, 50.0)), Some(1000));
        assert_eq!(weigh(&report(0.0, 100.0, 0.0)), Some(LOAD_MIN));
        assert_eq!(weigh(&report(1e300, 1e300, 1e300)), Some(LOAD_MAX));
    }

    #[test]
    fn what_is_not_finite_is_no_report() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            assert_eq!(weigh(&report(bad, 1.0, 0.0)), None, "{bad}");
            assert_eq!(weigh(&report(0.5, bad, 1.0)), Some(500), "{bad}");
            assert_eq!(weigh(&report(0.5, 1.0, bad)), Some(500), "{bad}");
        }
    }

    #[test]
    fn a_report_says_nothing_after_ten_seconds() {
        let load = Load::default();
        let now = Instant::now();
        assert_eq!(load.thousandths(now), None);
        load.keep(&report(0.25, 0.0, 0.0));
        assert_eq!(load.thousandths(now + Duration::from_secs(9)), Some(250));
        assert_eq!(load.thousandths(now + Duration::from_secs(11)), None);
    }
}
