//! The sampling and export of traces, configured by OpenTelemetry's variables ([`SHARED_VARIABLES`],
//! [`OWN_VARIABLES`]).
//!
//! `OTEL_EXPORTER_OTLP_TRACES_…` overrides `OTEL_EXPORTER_OTLP_…`. No other `OTEL_…` has an effect:
//! `_INSECURE`, for instance, since the scheme of the URL decides it, or `_CLIENT_KEY`.

use std::{fmt, str::FromStr, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, uri::Scheme};
use opentelemetry::KeyValue;
use opentelemetry_otlp::Compression;
use tokio_util::task::TaskTracker;

use super::sampler::Sampler;
use crate::env::Reader;

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
}

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
    /// absent. `None` where a fault was recorded.
    pub fn read(reader: &mut Reader<'_>, name: &'static str, sampler_default: Sampler) -> Option<Self> {
        let disabled: bool = reader.value(&OTEL_SDK_DISABLED)?;
        let exported = reader.value_with(&OTEL_TRACES_EXPORTER, |text| match text {
            "otlp" => Some(true),
            "none" => Some(false),
            _ => None,
        })?;
        let endpoint = otlp(reader, &ENDPOINT, parse_endpoint)?;
        let sampler = Sampler::read(reader, sampler_default)?;
        let export = match endpoint {
            Some(endpoint) if exported && !disabled => Some(Export::read(reader, endpoint, name)?),
            _ => None,
        };
        Some(Self { sampler, export, last_exports: None })
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
    fn read(reader: &mut Reader<'_>, endpoint: String, service: &'static str) -> Option<Self> {
        otlp(reader, &PROTOCOL, |text| (text == "grpc").then_some(()))?;
        let headers = otlp(reader, &HEADERS, parse_headers)?.unwrap_or_default();
        let timeout = match reader.optional_number(&TIMEOUT.traces)? {
            Some(timeout) => timeout,
            None => reader.number(&TIMEOUT.all)?,
        };
        let compression = otlp(reader, &COMPRESSION, parse_compression)?.flatten();
        let authorities = otlp(reader, &CERTIFICATE, |path| std::fs::read_to_string(path).ok())?;
        let delay = reader.number(&OTEL_BSP_SCHEDULE_DELAY)?;
        let queue_max: u32 = reader.number(&OTEL_BSP_MAX_QUEUE_SIZE)?;
        let batch_max: u32 = reader.number(&OTEL_BSP_MAX_EXPORT_BATCH_SIZE)?;
        Some(Self {
            endpoint,
            headers,
            timeout: Duration::from_millis(timeout),
            compression,
            authorities,
            resource: resource(reader, service)?,
            delay: Duration::from_millis(delay),
            queue_max: queue_max as usize,
            batch_max: batch_max.min(queue_max) as usize,
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

fn parse_endpoint(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let is_http = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
    (is_http && uri.host().is_some() && !text.contains(['@', '?', '#'])).then(|| text.to_owned())
}

fn parse_compression(text: &str) -> Option<Option<Compression>> {
    match text {
        "gzip" => Some(Some(Compression::Gzip)),
        "none" => Some(None),
        _ => None,
    }
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
fn resource(reader: &mut Reader<'_>, service: &'static str) -> Option<Vec<KeyValue>> {
    let name = reader.value::<String>(&OTEL_SERVICE_NAME);
    let configured = reader.optional_with(&OTEL_RESOURCE_ATTRIBUTES, pairs::parse)?.unwrap_or_default();
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
    Some(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{EnvErrors, Vars};

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");

    fn read(vars: &[(&str, &str)]) -> Result<Config, EnvErrors> {
        let vars: Vars = vars.iter().copied().collect();
        let mut reader = Reader::new(&vars, &[SHARED_VARIABLES, OWN_VARIABLES]);
        let config = Config::read(&mut reader, "order", Sampler::default());
        reader.finish(config)
    }

    fn export(vars: &[(&str, &str)]) -> Export {
        let vars: Vec<_> = [ENDPOINT].iter().chain(vars).copied().collect();
        read(&vars).unwrap().export.unwrap()
    }

    fn attribute(export: &Export, name: &str) -> String {
        let mut found = export.resource.iter().filter(|attribute| attribute.key.as_str() == name);
        let value = found.next().unwrap().value.to_string();
        assert!(found.next().is_none());
        value
    }

    #[test]
    fn nothing_is_recorded_without_an_endpoint_or_where_tracing_is_disabled() {
        assert!(!read(&[]).unwrap().is_on());
        assert!(!read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "true")]).unwrap().is_on());
        assert!(!read(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]).unwrap().is_on());
        for given in [&[ENDPOINT][..], &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "otlp")]] {
            assert!(read(given).unwrap().is_on(), "{given:?}");
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
        let errors = read(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2")]).unwrap_err().to_string();
        assert!(errors.contains("OTEL_EXPORTER_OTLP_HEADERS") && !errors.contains("hunter2"), "{errors}");
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
    fn faults_name_the_variable_and_the_accepted_values() {
        for (name, bad) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4317"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://user:hunter2@collector"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "GZIP"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere.pem"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_TRACES_EXPORTER", "console"),
            ("OTEL_SDK_DISABLED", "maybe"),
        ] {
            let errors = read(&[ENDPOINT, (name, bad)]).unwrap_err().to_string();
            assert!(errors.starts_with(name) && errors.contains("accepted: "), "{errors}");
            assert!(!errors.contains("hunter2"), "{errors}");
        }
    }
}
