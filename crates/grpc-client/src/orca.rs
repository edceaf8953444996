//! Load reports: what a server says of itself with each answer (gRFC A51), for those who choose among servers.
//!
//! A report is a serialized `xds.data.orca.v3.OrcaLoadReport` in the trailer [`TRAILER`].

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message as _;

/// The trailer that holds a report, in base64 as all binary metadata is.
pub const TRAILER: HeaderName = HeaderName::from_static("endpoint-load-metrics-bin");

/// Bytes of a report's text that are read; one of ours has about 50.
const TEXT_BYTES_MAX: usize = 4096;

/// gRPC asks to send without padding, and to take both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The part of a report that balancing uses.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LoadReport {
    /// The part of the server's capacity that is used, 1 where all of it is; may be more. What the application says of
    /// itself, or else of its processor (gRFC A58).
    pub utilization: f64,
    /// Calls answered in a second.
    pub rps: f64,
    /// Of those, how many with an error of the server's.
    pub eps: f64,
}

/// The fields of `xds.data.orca.v3.OrcaLoadReport` that are used.
#[derive(prost::Message)]
struct OrcaLoadReport {
    #[prost(double, tag = "1")]
    cpu_utilization: f64,
    #[prost(double, tag = "6")]
    rps_fractional: f64,
    #[prost(double, tag = "7")]
    eps: f64,
    #[prost(double, tag = "9")]
    application_utilization: f64,
}

impl LoadReport {
    /// The report in the trailers of an answer; `None` where there is none, or none that can be used.
    pub fn from_trailers(trailers: &HeaderMap) -> Option<Self> {
        let text = trailers.get(&TRAILER)?.as_bytes();
        let bytes = (text.len() <= TEXT_BYTES_MAX).then(|| BASE64.decode(text).ok()).flatten()?;
        Self::decode(&bytes)
    }

    /// Reads a serialized report. A value that is not finite, or negative, is taken for one that is not there; `None`
    /// where there is no utilisation.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let report = OrcaLoadReport::decode(bytes).ok()?;
        let usable = |value: f64| value.is_finite() && value > 0.0;
        let or_none = |value: f64| if usable(value) { value } else { 0.0 };
        // An idle server's utilisation is not sent at all: a report that says anything says that, too.
        let says_anything = [report.cpu_utilization, report.application_utilization, report.rps_fractional];
        if !says_anything.into_iter().any(usable) {
            return None;
        }
        let application = or_none(report.application_utilization);
        let utilization = if application > 0.0 { application } else { or_none(report.cpu_utilization) };
        Some(Self { utilization, rps: or_none(report.rps_fractional), eps: or_none(report.eps) })
    }

    /// The trailer's value.
    pub fn to_value(&self) -> HeaderValue {
        let report = OrcaLoadReport {
            cpu_utilization: 0.0,
            rps_fractional: self.rps,
            eps: self.eps,
            application_utilization: self.utilization,
        };
        let text = BASE64.encode(report.encode_to_vec());
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: HeaderValue) -> Option<LoadReport> {
        LoadReport::from_trailers(&HeaderMap::from_iter([(TRAILER, value)]))
    }

    fn encoded(cpu: f64, application: f64, rps: f64, eps: f64) -> Vec<u8> {
        OrcaLoadReport {
            cpu_utilization: cpu,
            rps_fractional: rps,
            eps,
            application_utilization: application,
        }
        .encode_to_vec()
    }

    #[test]
    fn a_report_is_read_as_it_was_sent() {
        let report = LoadReport { utilization: 0.75, rps: 1234.5, eps: 0.25 };
        assert_eq!(read(report.to_value()), Some(report));
    }

    /// Made by protoc's own library from the published message, with fields that are not used here.
    #[test]
    fn a_report_of_others_is_read() {
        // cpu 0.5, mem 0.25, rps 7 (deprecated), request_cost {"a": 1}, rps_fractional 8, eps 2
        let bytes = [
            &[0x09, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f, 0x11, 0, 0, 0, 0, 0, 0, 0xd0, 0x3f, 0x18, 7][..],
            &[0x22, 0x0c, 0x0a, 1, b'a', 0x11, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f][..],
            &[0x31, 0, 0, 0, 0, 0, 0, 0x20, 0x40, 0x39, 0, 0, 0, 0, 0, 0, 0, 0x40][..],
        ]
        .concat();
        assert_eq!(LoadReport::decode(&bytes), Some(LoadReport { utilization: 0.5, rps: 8.0, eps: 2.0 }));
    }

    #[test]
    fn what_the_application_says_goes_before_what_its_processor_says() {
        assert_eq!(LoadReport::decode(&encoded(0.5, 0.25, 0.0, 0.0)).unwrap().utilization, 0.25);
        assert_eq!(LoadReport::decode(&encoded(0.5, 0.0, 0.0, 0.0)).unwrap().utilization, 0.5);
        assert_eq!(LoadReport::decode(&encoded(0.0, 0.0, 3.0, 0.0)).unwrap().utilization, 0.0);
    }

    #[test]
    fn values_that_make_no_sense_are_not_there() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            assert_eq!(LoadReport::decode(&encoded(bad, bad, bad, bad)), None, "{bad}");
            let kept = LoadReport::decode(&encoded(0.5, bad, bad, bad)).unwrap();
            assert_eq!(kept, LoadReport { utilization: 0.5, rps: 0.0, eps: 0.0 }, "{bad}");
        }
    }

    #[test]
    fn what_is_no_report_is_none() {
        for text in ["", "!", "AAAA", "CQ", &"A".repeat(TEXT_BYTES_MAX + 4)] {
            assert_eq!(read(HeaderValue::from_str(text).unwrap()), None, "{text}");
        }
        assert_eq!(LoadReport::from_trailers(&HeaderMap::new()), None);
    }
}
