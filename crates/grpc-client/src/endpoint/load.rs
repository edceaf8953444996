//! The load that an endpoint last reported.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use crate::orca::LoadReport;

/// Older reports are ignored.
const REPORT_AGE_MAX: Duration = Duration::from_secs(10);
/// The least load of an endpoint, in thousandths. With 0 its calls in flight would not count.
const LOAD_MIN: u32 = 50;
/// Bits of the load in the packed word; the other bits are the time of the report.
const LOAD_BITS: u32 = 20;
const LOAD_MAX: u32 = (1 << LOAD_BITS) - 1;

/// The load, in thousandths of the endpoint's capacity, and the time of its report, packed into one word.
#[derive(Debug)]
pub(crate) struct Load {
    started: Instant,
    packed: AtomicU64,
}

impl Default for Load {
    fn default() -> Self {
        Self { started: Instant::now(), packed: AtomicU64::new(0) }
    }
}

impl Load {
    /// Records `report`, unless its values are unusable.
    pub(crate) fn record(&self, report: &LoadReport) {
        if let Some(load) = thousandths_of(report) {
            let ms = self.ms_since_start(Instant::now());
            self.packed.store(ms << LOAD_BITS | u64::from(load), Ordering::Relaxed);
        }
    }

    /// The load in thousandths; `None` without a recent report.
    pub(crate) fn thousandths(&self, now: Instant) -> Option<u32> {
        let packed = self.packed.load(Ordering::Relaxed);
        let age_ms = self.ms_since_start(now).saturating_sub(packed >> LOAD_BITS);
        let load = u32::try_from(packed & u64::from(LOAD_MAX)).ok()?;
        // A load is at least LOAD_MIN, so that 0 means "no report".
        (packed != 0 && Duration::from_millis(age_ms) <= REPORT_AGE_MAX).then_some(load)
    }

    fn ms_since_start(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_millis())
            .unwrap_or(u64::MAX >> LOAD_BITS)
    }
}

/// Utilization plus the error rate (eps / rps), with the error penalty 1 of gRFC A58.
fn thousandths_of(report: &LoadReport) -> Option<u32> {
    let thousandths = |value: f64| {
        // Duration has an exact and checked conversion from f64: seconds to milliseconds.
        let bounded = value.clamp(0.0, f64::from(LOAD_MAX));
        u32::try_from(Duration::try_from_secs_f64(bounded).ok()?.as_millis()).ok()
    };
    let is_usable = |value: f64| value.is_finite() && value >= 0.0;
    if !is_usable(report.utilization) {
        return None;
    }
    let errors = if is_usable(report.eps) && is_usable(report.rps) && report.rps > 0.0 {
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
    fn load_is_utilization_plus_error_rate_within_bounds() {
        assert_eq!(thousandths_of(&report(0.5, 0.0, 0.0)), Some(500));
        assert_eq!(thousandths_of(&report(0.5, 100.0, 50.0)), Some(1000));
        assert_eq!(thousandths_of(&report(0.0, 100.0, 0.0)), Some(LOAD_MIN));
        assert_eq!(thousandths_of(&report(1e300, 1e300, 1e300)), Some(LOAD_MAX));
    }

    #[test]
    fn values_that_are_negative_or_not_finite_are_ignored() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            assert_eq!(thousandths_of(&report(bad, 1.0, 0.0)), None, "{bad}");
            assert_eq!(thousandths_of(&report(0.5, bad, 1.0)), Some(500), "{bad}");
            assert_eq!(thousandths_of(&report(0.5, 1.0, bad)), Some(500), "{bad}");
        }
    }

    #[test]
    fn report_expires_after_ten_seconds() {
        let load = Load::default();
        let now = Instant::now();
        assert_eq!(load.thousandths(now), None);
        load.record(&report(0.25, 0.0, 0.0));
        assert_eq!(load.thousandths(now + Duration::from_secs(9)), Some(250));
        assert_eq!(load.thousandths(now + Duration::from_secs(11)), None);
    }
}
