//! ORCA load reports: a server reports its load with each response, for clients that balance by load (gRFC
//! A51).
//!
//! A report is a serialized `xds.data.orca.v3.OrcaLoadReport` in the trailer [`TRAILER`].

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message as _;

/// The trailer with a report, in base64 like all binary metadata (gRFC A51).
pub const TRAILER: HeaderName = HeaderName::from_static("endpoint-load-metrics-bin");

/// Longer base64 texts are ignored. A report of [`LoadReport::to_value`] has about 50 bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// gRPC sends binary metadata without padding and accepts both forms.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The values of a report that balancing uses (gRFC A51).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LoadReport {
    /// The used part of the server's capacity; 1 is all of it, and more is possible. The application's own
    /// figure, or its CPU utilization if it reports none (gRFC A58).
    pub utilization: f64,
    /// Calls per second.
    pub rps: f64,
    /// Calls per second that failed by an error of the server.
    pub eps: f64,
}

/// The used fields of `xds.data.orca.v3.OrcaLoadReport`.
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
    /// The report in the trailers of a response; `None` if there is none, or it is unusable.
    pub fn from_trailers(trailers: &HeaderMap) -> Option<Self> {
        let text = trailers.get(&TRAILER)?.as_bytes();
        let bytes = (text.len() <= TEXT_BYTES_MAX).then(|| BASE64.decode(text).ok()).flatten()?;
        Self::decode(&bytes)
    }

    /// Decodes a serialized report. A negative value, or one that is not finite, counts as absent. `None` if
    /// utilization and `rps` are absent.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let report = OrcaLoadReport::decode(bytes).ok()?;
        let is_usable = |value: f64| value.is_finite() && value > 0.0;
        let or_zero = |value: f64| if is_usable(value) { value } else { 0.0 };
        // An idle server does not send its utilization of 0: any other value implies it.
        let values = [report.cpu_utilization, report.application_utilization, report.rps_fractional];
        if !values.into_iter().any(is_usable) {
            return None;
        }
        let application = or_zero(report.application_utilization);
        let utilization = if application > 0.0 { application } else { or_zero(report.cpu_utilization) };
        Some(Self { utilization, rps: or_zero(report.rps_fractional), eps: or_zero(report.eps) })
    }

    /// The report as the value of [`TRAILER`].
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

    fn from_value(value: HeaderValue) -> Option<LoadReport> {
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
    fn report_survives_encoding_and_decoding() {
        let report = LoadReport { utilization: 0.75, rps: 1234.5, eps: 0.25 };
        assert_eq!(from_value(report.to_value()), Some(report));
    }

    /// Encoded by protoc's library from the published message, with fields that are not used here.
    #[test]
    fn report_of_another_implementation_is_decoded() {
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
    fn application_utilization_takes_precedence_over_cpu() {
        assert_eq!(LoadReport::decode(&encoded(0.5, 0.25, 0.0, 0.0)).unwrap().utilization, 0.25);
        assert_eq!(LoadReport::decode(&encoded(0.5, 0.0, 0.0, 0.0)).unwrap().utilization, 0.5);
        assert_eq!(LoadReport::decode(&encoded(0.0, 0.0, 3.0, 0.0)).unwrap().utilization, 0.0);
    }

    #[test]
    fn negative_and_infinite_values_count_as_absent() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            assert_eq!(LoadReport::decode(&encoded(bad, bad, bad, bad)), None, "{bad}");
            let report = LoadReport::decode(&encoded(0.5, bad, bad, bad)).unwrap();
            assert_eq!(report, LoadReport { utilization: 0.5, rps: 0.0, eps: 0.0 }, "{bad}");
        }
    }

    #[test]
    fn invalid_and_overlong_texts_are_ignored() {
        for text in ["", "!", "AAAA", "CQ", &"A".repeat(TEXT_BYTES_MAX + 4)] {
            assert_eq!(from_value(HeaderValue::from_str(text).unwrap()), None, "{text}");
        }
        assert_eq!(LoadReport::from_trailers(&HeaderMap::new()), None);
    }
}
