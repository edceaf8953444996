//! How traces are sampled and exported, by OpenTelemetry's own variables.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `OTEL_EXPORTER_OTLP_ENDPOINT` | the collector, by OTLP over gRPC: an http or https URL; nothing is recorded without it | none |
//! | `OTEL_EXPORTER_OTLP_PROTOCOL` | `grpc`, the one protocol that is spoken | `grpc` |
//! | `OTEL_EXPORTER_OTLP_HEADERS` | `name=value,…`, values percent-encoded, for instance a token; never shown | none |
//! | `OTEL_EXPORTER_OTLP_TIMEOUT` | how long one export may take, in milliseconds | 10000 |
//! | `OTEL_EXPORTER_OTLP_COMPRESSION` | how exports are compressed: `gzip`, or `none` | `none` |
//! | `OTEL_EXPORTER_OTLP_CERTIFICATE` | a PEM file of the authorities trusted for https | the system's |
//! | `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` | what spans say of this process | the service's name |
//! | `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` | which traces are recorded ([`Sampler`]) | see there |
//! | `OTEL_BSP_SCHEDULE_DELAY`, `OTEL_BSP_MAX_QUEUE_SIZE`, `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` | how spans are gathered: milliseconds, spans, spans | 5000, 2048, 512 |
//! | `OTEL_TRACES_EXPORTER` | `otlp`, or `none`: nothing is recorded | `otlp` |
//! | `OTEL_SDK_DISABLED` | `true`: nothing is recorded | `false` |
//!
//! `OTEL_EXPORTER_OTLP_TRACES_…` outdoes each `OTEL_EXPORTER_OTLP_…`. No other `OTEL_…` has any effect: `_INSECURE` for
//! instance, since the URL says it, or `_CLIENT_KEY`.

use std::{fmt, str::FromStr, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, uri::Scheme};
use opentelemetry::KeyValue;
use opentelemetry_otlp::Compression;

use super::sampler::Sampler;
use crate::env::{Reader, Secrecy};

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
const DELAY_DEFAULT: Duration = Duration::from_secs(5);
const QUEUE_DEFAULT: usize = 2048;
const BATCH_DEFAULT: usize = 512;
/// What the numbers may be: milliseconds, or spans.
const NUMBERS: std::ops::RangeInclusive<u32> = 1..=600_000;

/// How traces are sampled and exported; by default not at all.
#[derive(Debug, Clone, Default)]
pub struct Config {
    pub(super) sampler: Sampler,
    /// `None` where nothing is recorded.
    pub(super) export: Option<Export>,
}

/// Where spans go. `Debug` shows no headers, since they may hold a token.
#[derive(Clone)]
pub(super) struct Export {
    pub(super) endpoint: String,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) compression: Option<Compression>,
    /// Authorities, as PEM.
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

/// Every variable but the name of a service, for a program that passes them on to several.
pub const VARIABLES: [&str; 22] = [
    "OTEL_SDK_DISABLED",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_HEADERS_FILE",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS_FILE",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_TRACES_EXPORTER",
];

impl Config {
    /// Reads the variables of the table above, for the service that `name` names. `sampler_default` holds where
    /// `OTEL_TRACES_SAMPLER` is not set. `None` where a fault was recorded.
    pub fn read(reader: &mut Reader<'_>, name: &'static str, sampler_default: Sampler) -> Option<Self> {
        let disabled =
            reader.optional_or_fault::<bool>("OTEL_SDK_DISABLED", "true or false")?.unwrap_or(false);
        let (exporter, public) = ("OTEL_TRACES_EXPORTER", Secrecy::Public);
        let exported =
            reader.optional_with_or_fault(exporter, "otlp or none", public, |text| match text {
                "otlp" => Some(true),
                "none" => Some(false),
                _ => None,
            })?;
        let disabled = disabled || exported == Some(false);
        let endpoint = endpoint(reader)?;
        let sampler = Sampler::read(reader, sampler_default)?;
        let export = match endpoint {
            Some(endpoint) if !disabled => Some(Export::read(reader, endpoint, name)?),
            _ => None,
        };
        Some(Self { sampler, export })
    }

    /// Whether anything is recorded.
    pub fn is_on(&self) -> bool {
        self.export.is_some()
    }
}

impl Export {
    fn read(reader: &mut Reader<'_>, endpoint: String, service: &'static str) -> Option<Self> {
        otlp(reader, "PROTOCOL", "grpc", Secrecy::Public, |text| (text == "grpc").then_some(()))?;
        let accepted = "name=value pairs, separated by commas, their values percent-encoded";
        let headers = otlp(reader, "HEADERS", accepted, Secrecy::Secret, parse_headers)?.unwrap_or_default();
        let timeout =
            otlp(reader, "TIMEOUT", &accepted_numbers("milliseconds"), Secrecy::Public, parse_number)?;
        let compression = otlp(reader, "COMPRESSION", "gzip or none", Secrecy::Public, parse_compression)?;
        let authorities = otlp(reader, "CERTIFICATE", "the path of a PEM file", Secrecy::Public, |text| {
            std::fs::read_to_string(text).ok()
        })?;
        let delay = number(reader, "OTEL_BSP_SCHEDULE_DELAY", "milliseconds")?;
        let queue_max = number(reader, "OTEL_BSP_MAX_QUEUE_SIZE", "spans")?.map(|max| max as usize);
        let batch_max = number(reader, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "spans")?.map(|max| max as usize);
        let queue_max = queue_max.unwrap_or(QUEUE_DEFAULT);
        Some(Self {
            endpoint,
            headers,
            timeout: timeout.map_or(TIMEOUT_DEFAULT, millis),
            compression: compression.flatten(),
            authorities,
            resource: resource(reader, service)?,
            delay: delay.map_or(DELAY_DEFAULT, millis),
            queue_max,
            batch_max: batch_max.unwrap_or(BATCH_DEFAULT).min(queue_max),
        })
    }

    /// Whether the collector is reached by TLS.
    pub(super) fn is_https(&self) -> bool {
        self.endpoint.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("https:"))
    }
}

/// A variable of the exporter: that of traces alone, or else that of all signals. The outer `None` is a fault.
fn otlp<T>(
    reader: &mut Reader<'_>,
    name: &str,
    accepted: &str,
    secrecy: Secrecy,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<Option<T>> {
    for name in [format!("OTEL_EXPORTER_OTLP_TRACES_{name}"), format!("OTEL_EXPORTER_OTLP_{name}")] {
        let mut found = false;
        let value = reader.optional_with(&name, accepted, secrecy, |text| {
            found = true;
            parse(text)
        });
        if found {
            return value.map(Some);
        }
    }
    Some(None)
}

fn endpoint(reader: &mut Reader<'_>) -> Option<Option<String>> {
    let accepted = "an http or https URL without user and query, http://127.0.0.1:4317 for instance";
    otlp(reader, "ENDPOINT", accepted, Secrecy::Public, |text| {
        let uri: Uri = text.parse().ok()?;
        let web = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
        (web && uri.host().is_some() && !text.contains(['@', '?', '#'])).then(|| text.to_owned())
    })
}

fn accepted_numbers(unit: &str) -> String {
    format!("{unit}, a whole number from {} to {}", NUMBERS.start(), NUMBERS.end())
}

fn parse_number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| NUMBERS.contains(number))
}

fn number(reader: &mut Reader<'_>, name: &str, unit: &str) -> Option<Option<u32>> {
    let mut found = false;
    let number = reader.optional_with(name, &accepted_numbers(unit), Secrecy::Public, |text| {
        found = true;
        parse_number(text)
    });
    (number.is_some() || !found).then_some(number)
}

fn millis(number: u32) -> Duration {
    Duration::from_millis(number.into())
}

fn parse_compression(text: &str) -> Option<Option<Compression>> {
    match text {
        "gzip" => Some(Some(Compression::Gzip)),
        "none" => Some(None),
        _ => None,
    }
}

fn parse_headers(text: &str) -> Option<HeaderMap> {
    pairs(text)?
        .into_iter()
        .map(|(name, value)| {
            let mut value = HeaderValue::from_str(&value).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_str(&name).ok()?, value))
        })
        .collect()
}

/// What spans say of this process.
fn resource(reader: &mut Reader<'_>, service: &'static str) -> Option<Vec<KeyValue>> {
    let accepted = "name=value pairs, separated by commas, their values percent-encoded";
    let named = reader.optional::<String>("OTEL_SERVICE_NAME", "a name");
    let mut found = false;
    let given = reader.optional_with("OTEL_RESOURCE_ATTRIBUTES", accepted, Secrecy::Public, |text| {
        found = true;
        pairs(text)
    });
    if found && given.is_none() {
        return None;
    }
    let mut attributes = vec![
        KeyValue::new("service.name", service),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()),
        KeyValue::new("telemetry.sdk.name", "opentelemetry"),
        KeyValue::new("telemetry.sdk.language", "rust"),
    ];
    let given = given.unwrap_or_default().into_iter().map(|(name, value)| KeyValue::new(name, value));
    for attribute in given.chain(named.map(|name| KeyValue::new("service.name", name))) {
        attributes.retain(|known| known.key != attribute.key);
        attributes.push(attribute);
    }
    Some(attributes)
}

/// `name=value,…`, as W3C Baggage has it, without properties.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let members = text.split(',').map(str::trim).filter(|member| !member.is_empty());
    members
        .map(|member| {
            let (name, value) = member.split_once('=')?;
            let name = name.trim();
            (!name.is_empty()).then_some((name.to_owned(), decoded(value.trim())?))
        })
        .collect()
}

/// A percent-encoded value; `None` where it is not one.
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut decoded) = (text.bytes(), Vec::new());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            plain => plain,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{EnvErrors, Vars};

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");

    fn read(vars: &[(&str, &str)]) -> Result<Config, EnvErrors> {
        let vars: Vars = vars.iter().copied().collect();
        let mut reader = Reader::new(&vars);
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
    fn nothing_is_recorded_without_an_endpoint_or_where_that_is_disabled() {
        assert!(!read(&[]).unwrap().is_on());
        assert!(!read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "true")]).unwrap().is_on());
        assert!(!read(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]).unwrap().is_on());
        for given in [&[ENDPOINT][..], &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "otlp")]] {
            assert!(read(given).unwrap().is_on(), "{given:?}");
        }
    }

    #[test]
    fn what_is_said_of_traces_outdoes_what_is_said_of_all_signals() {
        let told = export(&[
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces.example:4317"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "3"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "4"),
        ]);
        assert_eq!((told.endpoint.as_str(), told.timeout), ("https://traces.example:4317", millis(4)));
    }

    #[test]
    fn exports_are_compressed_where_that_is_asked_for() {
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
    fn a_collector_is_reached_by_tls_however_its_scheme_is_spelt() {
        for (endpoint, is_https) in [("http://a:1", false), ("https://a:1", true), ("HTTPS://a:1", true)] {
            assert_eq!(export(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint)]).is_https(), is_https);
        }
    }

    #[test]
    fn headers_are_decoded_and_never_shown() {
        let told = export(&[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2, x-tenant=a=b")]);
        assert_eq!(told.headers["authorization"], "Bearer hunter2");
        assert_eq!(told.headers["x-tenant"], "a=b");
        assert!(!format!("{told:?}").contains("hunter2"));
        let errors = read(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2")]).unwrap_err().to_string();
        assert!(errors.contains("OTEL_EXPORTER_OTLP_HEADERS") && !errors.contains("hunter2"), "{errors}");
    }

    #[test]
    fn a_process_is_named_by_its_service_unless_it_is_told_otherwise() {
        assert_eq!(attribute(&export(&[]), "service.name"), "order");
        let given = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,deployment.environment.name=test%2C1");
        let told = export(&[given]);
        assert_eq!(attribute(&told, "service.name"), "a");
        assert_eq!(attribute(&told, "deployment.environment.name"), "test,1");
        assert_eq!(attribute(&export(&[given, ("OTEL_SERVICE_NAME", "b")]), "service.name"), "b");
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_accepted() {
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
