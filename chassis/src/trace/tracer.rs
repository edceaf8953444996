//! Who is given finished spans, and sends them on: a bounded queue, emptied by a thread of the SDK's.
//!
//! A collector that is down or slow costs no request: what does not fit into the queue is dropped, and counted.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanProcessor},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::{
    config::{Config, Export},
    export::{Exporter, connect},
    sampler::Sampler,
};

pub use super::export::ExportError;

/// How long a service that stops waits for its last spans to be sent.
pub const FLUSH_MAX: Duration = Duration::from_secs(3);

/// Makes spans of what is sampled, and sends them on; the default makes none. A clone is the same tracer.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Recorder>>);

pub(super) struct Recorder {
    pub(super) sampler: Sampler,
    pub(super) scope: InstrumentationScope,
    processor: BatchSpanProcessor,
    /// Spans that were handed over, and not taken out by an export yet.
    waiting: Arc<AtomicUsize>,
    waiting_max: usize,
    metrics: Metrics,
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tracer").field(&self.0.as_ref().map(|recorder| &recorder.sampler)).finish()
    }
}

/// What becomes of spans; named as the semantic conventions name what an SDK counts.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    taken: Counter,
    dropped: Counter,
    pub(super) exported: Counter,
    pub(super) lost: Counter,
}

/// How it ended; empty where it went well, which Prometheus takes for no label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    error_type: &'static str,
}

impl Metrics {
    fn register(registry: &mut Registry) -> Self {
        let (processed, exported) = (Family::default(), Family::default());
        registry.register(
            "otel_sdk_processor_span_processed",
            "Spans taken for export, and those dropped since the queue was full",
            processed.clone(),
        );
        registry.register(
            "otel_sdk_exporter_span_exported",
            "Spans that a collector has taken, and those that it could not be given",
            exported.clone(),
        );
        let counter =
            |family: &Family<Ended, Counter>, error_type| family.get_or_create_owned(&Ended { error_type });
        Self {
            taken: counter(&processed, ""),
            dropped: counter(&processed, "queue_full"),
            exported: counter(&exported, ""),
            lost: counter(&exported, "export_failed"),
        }
    }
}

impl Tracer {
    /// Starts what `config` asks for, counted in `registry`. Must be called within a tokio runtime. The collector need
    /// not be there yet.
    ///
    /// # Errors
    ///
    /// That no exporter can be made of the configuration.
    pub fn start(config: &Config, registry: &mut Registry) -> Result<Self, ExportError> {
        let Some(export) = &config.export else { return Ok(Self::default()) };
        let Export { delay, queue_max, batch_max, resource, .. } = export;
        let metrics = Metrics::register(registry);
        let waiting = Arc::new(AtomicUsize::new(0));
        let exporter = Exporter::new(connect(export)?, export.timeout, metrics.clone(), waiting.clone());
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(*queue_max)
            .with_max_export_batch_size(*batch_max)
            .with_scheduled_delay(*delay)
            .build();
        let mut processor = BatchSpanProcessor::new(exporter, batches);
        processor.set_resource(&Resource::builder_empty().with_attributes(resource.clone()).build());
        tracing::info!(collector = export.endpoint, "traces are exported");
        Ok(Self(Some(Arc::new(Recorder {
            sampler: config.sampler.clone(),
            scope: InstrumentationScope::builder("order-system")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
            processor,
            waiting,
            waiting_max: *queue_max,
            metrics,
        }))))
    }

    /// Sends what has not been sent yet, for [`FLUSH_MAX`] at most. Spans that end later are dropped.
    pub async fn stop(&self) {
        let Some(recorder) = self.0.clone() else { return };
        let flushed =
            tokio::task::spawn_blocking(move || recorder.processor.shutdown_with_timeout(FLUSH_MAX));
        if let Ok(Err(error)) = flushed.await {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }

    pub(super) fn recorder(&self) -> Option<&Arc<Recorder>> {
        self.0.as_ref()
    }
}

impl Recorder {
    /// Takes a finished span, unless too many wait.
    pub(super) fn take(&self, span: SpanData) {
        // The SDK's own queue has as many places, and would drop without telling anybody how many.
        let taken = self.waiting.fetch_add(1, Ordering::Relaxed) < self.waiting_max;
        if taken {
            self.metrics.taken.inc();
            self.processor.on_end(span);
        } else {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.metrics.dropped.inc();
        }
    }
}
