//! The declarations of OpenTelemetry's variables.

use crate::{
    env::{Kind, Variable, WhenAbsent},
    trace::sampler::{OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG},
};

const PAIRS: &str = "name=value pairs, separated by commas, their values percent-encoded";
/// The bounds of numbers: milliseconds, or spans.
const NUMBER: (u64, u64) = (1, 600_000);

pub(super) const OTEL_SDK_DISABLED: Variable = Variable {
    name: "OTEL_SDK_DISABLED",
    kind: Kind::Text("true or false, in any case"),
    when_absent: WhenAbsent::Default("false"),
    meaning: "The value true turns tracing off.",
};
pub(super) const OTEL_TRACES_EXPORTER: Variable = Variable {
    name: "OTEL_TRACES_EXPORTER",
    kind: Kind::Text("otlp or none, in any case"),
    when_absent: WhenAbsent::Default("otlp"),
    meaning: "The value none turns tracing off.",
};
pub(super) const OTEL_SERVICE_NAME: Variable = Variable {
    name: "OTEL_SERVICE_NAME",
    kind: Kind::Text("a name"),
    when_absent: WhenAbsent::Means("gateway, order or payment"),
    meaning: "The resource attribute service.name of spans.",
};
pub(super) const OTEL_RESOURCE_ATTRIBUTES: Variable = Variable {
    name: "OTEL_RESOURCE_ATTRIBUTES",
    kind: Kind::Text(PAIRS),
    when_absent: WhenAbsent::Means("none"),
    meaning: "Further resource attributes of spans.",
};
pub(super) const OTEL_BSP_SCHEDULE_DELAY: Variable = Variable {
    name: "OTEL_BSP_SCHEDULE_DELAY",
    kind: Kind::Number { from: NUMBER.0, to: NUMBER.1, unit: "milliseconds" },
    when_absent: WhenAbsent::DefaultNumber(5_000),
    meaning: "The longest time that a finished span waits for an export.",
};
pub(super) const OTEL_BSP_MAX_QUEUE_SIZE: Variable = Variable {
    name: "OTEL_BSP_MAX_QUEUE_SIZE",
    kind: Kind::Number { from: NUMBER.0, to: NUMBER.1, unit: "spans" },
    when_absent: WhenAbsent::DefaultNumber(2_048),
    meaning: "The spans that may wait for an export; further ones are dropped and counted.",
};
pub(super) const OTEL_BSP_MAX_EXPORT_BATCH_SIZE: Variable = Variable {
    name: "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    kind: Kind::Number { from: NUMBER.0, to: NUMBER.1, unit: "spans" },
    when_absent: WhenAbsent::DefaultNumber(512),
    meaning: "The spans of one export, at most OTEL_BSP_MAX_QUEUE_SIZE.",
};

/// A setting of the exporter with two variables: that of traces overrides that of all signals.
pub(super) struct Otlp {
    /// `OTEL_EXPORTER_OTLP_TRACES_…`
    pub(super) traces: Variable,
    /// `OTEL_EXPORTER_OTLP_…`
    pub(super) all: Variable,
}

macro_rules! otlp {
    ($name:literal, $kind:expr, $when_absent:expr, $meaning:literal) => {
        Otlp {
            traces: Variable {
                name: concat!("OTEL_EXPORTER_OTLP_TRACES_", $name),
                kind: $kind,
                when_absent: WhenAbsent::Means(concat!("OTEL_EXPORTER_OTLP_", $name)),
                meaning: concat!("Overrides OTEL_EXPORTER_OTLP_", $name, "."),
            },
            all: Variable {
                name: concat!("OTEL_EXPORTER_OTLP_", $name),
                kind: $kind,
                when_absent: $when_absent,
                meaning: $meaning,
            },
        }
    };
}

pub(super) const ENDPOINT: Otlp = otlp!(
    "ENDPOINT",
    Kind::Text("an http or https URL without user and query, http://127.0.0.1:4317 for instance"),
    WhenAbsent::Means("tracing is off"),
    "The collector, which must accept OTLP over gRPC."
);
pub(super) const PROTOCOL: Otlp = otlp!(
    "PROTOCOL",
    Kind::Text("grpc, in any case"),
    WhenAbsent::Default("grpc"),
    "The protocol of the collector; grpc is the only one."
);
pub(super) const HEADERS: Otlp = otlp!(
    "HEADERS",
    Kind::Secret(PAIRS),
    WhenAbsent::Means("none"),
    "Headers of every export, a token for instance."
);
pub(super) const TIMEOUT: Otlp = otlp!(
    "TIMEOUT",
    Kind::Number { from: NUMBER.0, to: NUMBER.1, unit: "milliseconds" },
    WhenAbsent::DefaultNumber(10_000),
    "The longest time of one export."
);
pub(super) const COMPRESSION: Otlp = otlp!(
    "COMPRESSION",
    Kind::Text("gzip or none, in any case"),
    WhenAbsent::Default("none"),
    "The compression of exports."
);
pub(super) const CERTIFICATE: Otlp = otlp!(
    "CERTIFICATE",
    Kind::Text("the path of a PEM file"),
    WhenAbsent::Means("the authorities of the system"),
    "Certificate authorities that the process trusts for an https collector."
);

/// The variables of traces that may be the same for several services.
pub const SHARED_VARIABLES: &[&Variable] = &[
    &ENDPOINT.all,
    &ENDPOINT.traces,
    &PROTOCOL.all,
    &PROTOCOL.traces,
    &HEADERS.all,
    &HEADERS.traces,
    &TIMEOUT.all,
    &TIMEOUT.traces,
    &COMPRESSION.all,
    &COMPRESSION.traces,
    &CERTIFICATE.all,
    &CERTIFICATE.traces,
    &OTEL_RESOURCE_ATTRIBUTES,
    &OTEL_TRACES_SAMPLER,
    &OTEL_TRACES_SAMPLER_ARG,
    &OTEL_BSP_SCHEDULE_DELAY,
    &OTEL_BSP_MAX_QUEUE_SIZE,
    &OTEL_BSP_MAX_EXPORT_BATCH_SIZE,
    &OTEL_TRACES_EXPORTER,
    &OTEL_SDK_DISABLED,
];
/// The variables of traces that differ by service.
pub const OWN_VARIABLES: &[&Variable] = &[&OTEL_SERVICE_NAME];
