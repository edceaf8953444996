//! The metrics of recorded and exported spans.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// The counters of spans, with the names that the semantic conventions give to metrics of an SDK.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    /// Spans in the queue of exports, from the start of the process.
    pub(super) queued: Counter,
    /// Spans that found the queue full.
    pub(super) dropped: Counter,
    /// Spans that ended after the tracer had stopped.
    pub(super) late: Counter,
    /// Spans that the collector accepted.
    pub(super) exported: Counter,
    /// Spans of failed exports.
    pub(super) lost: Counter,
}

/// Empty on success: to Prometheus an empty label is no label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    error_type: &'static str,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let (processed, exported) = (Family::default(), Family::default());
        registry.register(
            "otel_sdk_processor_span_processed",
            "Spans queued for export, and spans dropped since the queue was full or the exporter had stopped",
            processed.clone(),
        );
        registry.register(
            "otel_sdk_exporter_span_exported",
            "Spans that the collector accepted, and spans whose export failed",
            exported.clone(),
        );
        let counter = |family: &Family<Outcome, Counter>, error_type| {
            family.get_or_create_owned(&Outcome { error_type })
        };
        Self {
            queued: counter(&processed, ""),
            dropped: counter(&processed, "queue_full"),
            late: counter(&processed, "already_shutdown"),
            exported: counter(&exported, ""),
            lost: counter(&exported, "export_failed"),
        }
    }
}
