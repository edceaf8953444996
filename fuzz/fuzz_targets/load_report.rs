//! Fuzzes ORCA load reports: a report is ignored, or its values are finite and not negative.

#![no_main]

use grpc_client::orca::{LoadReport, TRAILER};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let in_trailers = HeaderValue::from_bytes(bytes)
        .ok()
        .and_then(|value| LoadReport::from_trailers(&HeaderMap::from_iter([(TRAILER, value)])));
    for report in [LoadReport::decode(bytes), in_trailers].into_iter().flatten() {
        for value in [report.utilization, report.rps, report.eps] {
            assert!(value.is_finite() && value >= 0.0, "{report:?}");
        }
        let trailers = HeaderMap::from_iter([(TRAILER, report.to_value())]);
        // A report of errors without calls is ignored.
        let is_usable = report.utilization > 0.0 || report.rps > 0.0;
        assert_eq!(LoadReport::from_trailers(&trailers), is_usable.then_some(report));
    }
});
