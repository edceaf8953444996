//! A backend may send anything for a load report: it is ignored, or its figures are finite and not negative.

#![no_main]

use grpc_client::orca::{LoadReport, TRAILER};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let in_trailers = HeaderValue::from_bytes(bytes)
        .ok()
        .and_then(|value| LoadReport::from_trailers(&HeaderMap::from_iter([(TRAILER, value)])));
    for report in [LoadReport::decode(bytes), in_trailers].into_iter().flatten() {
        for figure in [report.utilization, report.rps, report.eps] {
            assert!(figure.is_finite() && figure >= 0.0, "{report:?}");
        }
        let sent = HeaderMap::from_iter([(TRAILER, report.to_value())]);
        // One that says nothing but errors is not sent as such: nobody has errors without calls.
        let says_anything = report.utilization > 0.0 || report.rps > 0.0;
        assert_eq!(LoadReport::from_trailers(&sent), says_anything.then_some(report));
    }
});
