//! The sampling and export of traces, configured by OpenTelemetry's variables ([`SHARED_VARIABLES`],
//! [`OWN_VARIABLES`]).
//!
//! An invalid value is ignored with a warning, as OpenTelemetry's specification demands: telemetry never
//! decides whether a service starts. Where another value could send spans or a token to another host, it
//! turns tracing off.
//!
//! `OTEL_EXPORTER_OTLP_TRACES_…` overrides `OTEL_EXPORTER_OTLP_…`. No other `OTEL_…` has an effect:
//! `_INSECURE`, for instance, since the scheme of the URL decides it, or `_CLIENT_KEY`.

use std::{fmt, str::FromStr, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, uri::Scheme};
use opentelemetry::KeyValue;
use opentelemetry_otlp::Compression;
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject as _};
use tokio_util::task::TaskTracker;

use super::sampler::Sampler;
use crate::env::{Reader, Variable, WhenAbsent};

mod pairs;
mod variables;

use variables::{
    CERTIFICATE, COMPRESSION, ENDPOINT, HEADERS, OTEL_BSP_MAX_EXPORT_BATCH_SIZE, OTEL_BSP_MAX_QUEUE_SIZE,
    OTEL_BSP_SCHEDULE_DELAY, OTEL_RESOURCE_ATTRIBUTES, OTEL_SDK_DISABLED, OTEL_SERVICE_NAME,
    OTEL_TRACES_EXPORTER, Otlp, PROTOCOL, TIMEOUT,
};
pub use variables::{OWN_VARIABLES, SHARED_VARIABLES};

/// The sampling and export of traces. The default records nothing.
#[derive(Debug, Clone, Default)]
pub struct Config {
    pub(super) sampler: Sampler,
    /// `None` where nothing is recorded.
    pub(super) export: Option<Export>,
    pub(super) last_exports: Option<TaskTracker>,
    /// Invalid variables; no line shows a header's value.
    pub(super) warnings: Vec<String>,
}

const IGNORED: &str = "It is ignored";
const OFF: &str = "Traces are off";

/// The export of spans. `Debug` hides the headers, since they may hold a token.
#[derive(Clone)]
pub(super) struct Export {
    pub(super) endpoint: String,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) compression: Option<Compression>,
    /// Certificate authorities, as PEM.
    pub(super) authorities: Option<String>,
    pub(super) resource: Vec<KeyValue>,
    pub(super) delay: Duration,
    pub(super) queue_max: usize,
    pub(super) batch_max: usize,
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Config {
    /// Reads the variables for the service `name`. `sampler_default` applies where `OTEL_TRACES_SAMPLER` is
    /// absent or invalid.
    pub fn read(reader: &mut Reader<'_>, name: &'static str, sampler_default: Sampler) -> Self {
        let disabled = reader.lenient(IGNORED, |reader| reader.value_with(&OTEL_SDK_DISABLED, parse_bool));
        let exported =
            reader.lenient(IGNORED, |reader| reader.value_with(&OTEL_TRACES_EXPORTER, exports_otlp));
        let endpoint = reader.lenient(OFF, |reader| otlp(reader, &ENDPOINT, parse_endpoint)).flatten();
        let sampler = Sampler::read(reader, sampler_default);
        let is_on = exported.unwrap_or(true) && !disabled.unwrap_or(false);
        let export = endpoint.filter(|_| is_on).and_then(|endpoint| Export::read(reader, endpoint, name));
        Self { sampler, export, last_exports: None, warnings: reader.take_warnings() }
    }

    /// Lets the last export, during shutdown, run as a task of `tasks`: a process with several services waits
    /// for all of them at once.
    pub fn export_last_in(&mut self, tasks: &TaskTracker) {
        self.last_exports = Some(tasks.clone());
    }

    /// Whether anything is recorded.
    pub fn is_on(&self) -> bool {
        self.export.is_some()
    }
}

impl Export {
    /// `None` where the certificate authorities of the collector cannot be read.
    fn read(reader: &mut Reader<'_>, endpoint: String, service: &'static str) -> Option<Self> {
        ignoring(reader, &PROTOCOL, |text| is(text, "grpc").then_some(()));
        // The headers of all signals are no substitute: they may hold the token of another collector.
        let headers = reader.lenient("No headers are sent", |reader| otlp(reader, &HEADERS, parse_headers));
        let timeout = reader.lenient(IGNORED, |reader| reader.optional_number(&TIMEOUT.traces)).flatten();
        let timeout = timeout.unwrap_or_else(|| number(reader, &TIMEOUT.all));
        let compression = ignoring(reader, &COMPRESSION, parse_compression).flatten();
        // The authorities of the system would trust more hosts.
        let authorities = reader.lenient(OFF, |reader| otlp(reader, &CERTIFICATE, read_authorities))?;
        let delay = number(reader, &OTEL_BSP_SCHEDULE_DELAY);
        let queue_max = number(reader, &OTEL_BSP_MAX_QUEUE_SIZE);
        let batch_max = number(reader, &OTEL_BSP_MAX_EXPORT_BATCH_SIZE).min(queue_max);
        Some(Self {
            endpoint,
            headers: headers.flatten().unwrap_or_default(),
            timeout: Duration::from_millis(timeout),
            compression,
            authorities,
            resource: resource(reader, service),
            delay: Duration::from_millis(delay),
            queue_max: usize::try_from(queue_max).unwrap_or(usize::MAX),
            batch_max: usize::try_from(batch_max).unwrap_or(usize::MAX),
        })
    }

    /// Whether the connection to the collector is TLS.
    pub(super) fn is_https(&self) -> bool {
        self.endpoint.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("https:"))
    }
}

/// The value of the variable of traces, or else of that of all signals. The outer `None` is a fault.
fn otlp<T>(
    reader: &mut Reader<'_>,
    variables: &Otlp,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<Option<T>> {
    match reader.optional_with(&variables.traces, &parse)? {
        Some(value) => Some(Some(value)),
        None => reader.optional_with(&variables.all, &parse),
    }
}

/// As [`otlp`]; an invalid variable counts as absent.
fn ignoring<T>(reader: &mut Reader<'_>, variables: &Otlp, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
    let traces = reader.lenient(IGNORED, |reader| reader.value_with(&variables.traces, &parse));
    traces.or_else(|| reader.lenient(IGNORED, |reader| reader.value_with(&variables.all, &parse)))
}

/// The number; the default where the variable is absent or invalid.
fn number(reader: &mut Reader<'_>, variable: &Variable) -> u64 {
    let given = reader.lenient(IGNORED, |reader| reader.number(variable));
    given.unwrap_or(match variable.when_absent {
        WhenAbsent::DefaultNumber(default) => default,
        _ => 0,
    })
}

/// Whether `text` is `value` in any case.
fn is(text: &str, value: &str) -> bool {
    text.trim().eq_ignore_ascii_case(value)
}

/// The text of a PEM file with one certificate or more.
fn read_authorities(path: &str) -> Option<String> {
    let pem = std::fs::read_to_string(path).ok()?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    certificates.is_ok_and(|certificates| !certificates.is_empty()).then_some(pem)
}

fn parse_bool(text: &str) -> Option<bool> {
    is(text, "true").then_some(true).or_else(|| is(text, "false").then_some(false))
}

fn exports_otlp(text: &str) -> Option<bool> {
    is(text, "otlp").then_some(true).or_else(|| is(text, "none").then_some(false))
}

fn parse_endpoint(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let is_http = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
    (is_http && uri.host().is_some() && !text.contains(['@', '?', '#'])).then(|| text.to_owned())
}

fn parse_compression(text: &str) -> Option<Option<Compression>> {
    is(text, "gzip").then_some(Some(Compression::Gzip)).or_else(|| is(text, "none").then_some(None))
}

fn parse_headers(text: &str) -> Option<HeaderMap> {
    pairs::parse(text)?
        .into_iter()
        .map(|(name, value)| {
            let mut value = HeaderValue::from_str(&value).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_str(&name).ok()?, value))
        })
        .collect()
}

/// The resource attributes of all spans. `OTEL_SERVICE_NAME` overrides `OTEL_RESOURCE_ATTRIBUTES`, which
/// overrides the defaults.
fn resource(reader: &mut Reader<'_>, service: &'static str) -> Vec<KeyValue> {
    let name = reader.value::<String>(&OTEL_SERVICE_NAME);
    let configured =
        reader.lenient(IGNORED, |reader| reader.value_with(&OTEL_RESOURCE_ATTRIBUTES, pairs::parse));
    let configured = configured.unwrap_or_default();
    let mut attributes = vec![
        KeyValue::new("service.name", service),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()),
        KeyValue::new("telemetry.sdk.name", "opentelemetry"),
        KeyValue::new("telemetry.sdk.language", "rust"),
    ];
    let configured = configured.into_iter().map(|(name, value)| KeyValue::new(name, value));
    for attribute in configured.chain(name.map(|name| KeyValue::new("service.name", name))) {
        attributes.retain(|known| known.key != attribute.key);
        attributes.push(attribute);
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Vars;

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");

    fn read(vars: &[(&str, &str)]) -> Config {
        let vars: Vars = vars.iter().copied().collect();
        let mut reader = Reader::new(&vars, &[SHARED_VARIABLES, OWN_VARIABLES]);
        let config = Config::read(&mut reader, "order", Sampler::default());
        reader.finish(Some(config)).unwrap()
    }

    fn export(vars: &[(&str, &str)]) -> Export {
        let vars: Vec<_> = [ENDPOINT].iter().chain(vars).copied().collect();
        read(&vars).export.unwrap()
    }

    fn attribute(export: &Export, name: &str) -> String {
        let mut found = export.resource.iter().filter(|attribute| attribute.key.as_str() == name);
        let value = found.next().unwrap().value.to_string();
        assert!(found.next().is_none());
        value
    }

    #[test]
    fn nothing_is_recorded_without_an_endpoint_or_where_tracing_is_disabled() {
        assert!(!read(&[]).is_on());
        assert!(!read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "true")]).is_on());
        assert!(!read(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]).is_on());
        for given in [&[ENDPOINT][..], &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "otlp")]] {
            assert!(read(given).is_on(), "{given:?}");
        }
    }

    #[test]
    fn variables_of_traces_override_those_of_all_signals() {
        let export_config = export(&[
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces.example:4317"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "3"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "4"),
        ]);
        assert_eq!(
            (export_config.endpoint.as_str(), export_config.timeout),
            ("https://traces.example:4317", Duration::from_millis(4))
        );
    }

    #[test]
    fn exports_are_compressed_where_configured() {
        let (all, traces) = ("OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION");
        for (given, compression) in [
            (&[][..], None),
            (&[(all, "none")], None),
            (&[(all, "gzip")], Some(Compression::Gzip)),
            (&[(all, "gzip"), (traces, "none")], None),
            (&[(all, "gzip"), (traces, "")], Some(Compression::Gzip)),
        ] {
            assert_eq!(export(given).compression, compression, "{given:?}");
        }
    }

    #[test]
    fn the_scheme_https_means_tls_in_any_case() {
        for (endpoint, is_https) in [("http://a:1", false), ("https://a:1", true), ("HTTPS://a:1", true)] {
            assert_eq!(export(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint)]).is_https(), is_https);
        }
    }

    #[test]
    fn headers_are_decoded_and_hidden() {
        let export_config =
            export(&[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2, x-tenant=a=b")]);
        assert_eq!(export_config.headers["authorization"], "Bearer hunter2");
        assert_eq!(export_config.headers["x-tenant"], "a=b");
        assert!(!format!("{export_config:?}").contains("hunter2"));
    }

    #[test]
    fn the_service_name_may_be_configured() {
        assert_eq!(attribute(&export(&[]), "service.name"), "order");
        let given = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,deployment.environment.name=test%2C1");
        let export_config = export(&[given]);
        assert_eq!(attribute(&export_config, "service.name"), "a");
        assert_eq!(attribute(&export_config, "deployment.environment.name"), "test,1");
        assert_eq!(attribute(&export(&[given, ("OTEL_SERVICE_NAME", "b")]), "service.name"), "b");
    }

    #[test]
    fn booleans_and_enums_are_read_in_any_case() {
        for (name, value) in [("OTEL_SDK_DISABLED", "True"), ("OTEL_TRACES_EXPORTER", "NONE")] {
            let config = read(&[ENDPOINT, (name, value)]);
            assert!(!config.is_on() && config.warnings.is_empty(), "{name}: {:?}", config.warnings);
        }
        let config = read(&[
            ENDPOINT,
            ("OTEL_SDK_DISABLED", "FALSE"),
            ("OTEL_TRACES_EXPORTER", "Otlp"),
            ("OTEL_TRACES_SAMPLER", "Always_Off"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "gRPC"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "GZIP"),
        ]);
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
        assert_eq!(config.sampler, "always_off".parse().unwrap());
        assert_eq!(config.export.unwrap().compression, Some(Compression::Gzip));
    }

    /// Whether traces are on with an invalid value, and the warning about it.
    fn warned(name: &str, bad: &str) -> (bool, String) {
        let config = read(&[ENDPOINT, (name, bad)]);
        let [warning] = &config.warnings[..] else { panic!("{name}: {:?}", config.warnings) };
        assert!(warning.starts_with(name) && warning.contains("accepted: "), "{warning}");
        assert!(!warning.contains("hunter2"), "{warning}");
        (config.is_on(), warning.clone())
    }

    #[test]
    fn an_invalid_value_is_ignored_with_a_warning() {
        for (name, bad) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "-1"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=hunter2%zz"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
            ("OTEL_TRACES_SAMPLER_ARG", "NaN"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_BSP_SCHEDULE_DELAY", "5s"),
            ("OTEL_TRACES_EXPORTER", "console"),
            ("OTEL_SDK_DISABLED", "0"),
        ] {
            let (is_on, warning) = warned(name, bad);
            assert!(is_on, "{warning}");
        }
        let ignored = export(&[("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "x"), ("OTEL_BSP_MAX_QUEUE_SIZE", "x")]);
        assert_eq!((ignored.timeout, ignored.queue_max), (Duration::from_secs(10), 2_048));
        let of_traces = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "hunter2");
        assert!(export(&[of_traces, ("OTEL_EXPORTER_OTLP_HEADERS", "a=b")]).headers.is_empty());
    }

    #[test]
    fn an_invalid_destination_turns_traces_off() {
        for (name, bad) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4317"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://user:hunter2@collector"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere.pem"),
        ] {
            let (is_on, warning) = warned(name, bad);
            assert!(!is_on && warning.ends_with("Traces are off."), "{warning}");
        }
    }
}
