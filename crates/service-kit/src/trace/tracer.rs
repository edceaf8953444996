//! The queue of finished spans, which a thread of the SDK exports.
//!
//! A collector that is down or slow delays no request: a span that ends while the queue is full is dropped
//! and counted.

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanExporter, SpanProcessor},
};
use prometheus_client::registry::Registry;
use tokio_util::task::TaskTracker;

use super::{
    config::{Config, Export},
    export::{Exporter, connect},
    metrics::Metrics,
    sampler::Sampler,
};

/// Time limit of the last export, during shutdown.
pub const FLUSH_MAX: Duration = Duration::from_secs(1);

/// Records sampled spans and exports them; the default records none. Clones share the queue.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Recorder>>);

pub(super) struct Recorder {
    pub(super) sampler: Sampler,
    pub(super) scope: InstrumentationScope,
    processor: BatchSpanProcessor,
    queue_len: Arc<AtomicUsize>,
    queue_max: usize,
    /// Whether spans are accepted. The read lock is held until the span is in the queue, so that no span is
    /// queued after the last export.
    is_open: RwLock<bool>,
    metrics: Metrics,
    /// Where the last export runs; `None` for within [`Tracer::stop`].
    last_exports: Option<TaskTracker>,
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tracer").field(&self.0.as_ref().map(|recorder| &recorder.sampler)).finish()
    }
}

impl Tracer {
    /// Starts the tracer of `config`, with its metrics in `registry`. Must be called within a tokio runtime.
    /// The collector need not be up. Logs a warning for each invalid variable, and where the exporter cannot
    /// be built; nothing is recorded then.
    pub fn start(config: &Config, registry: &mut Registry) -> Self {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let Some(export) = &config.export else { return Self::default() };
        let exporter = match connect(export) {
            Ok(exporter) => exporter,
            Err(error) => {
                tracing::warn!(%error, "traces are off");
                return Self::default();
            }
        };
        let metrics = Metrics::register(registry);
        let queue_len = Arc::new(AtomicUsize::new(0));
        let exporter = Exporter::new(exporter, export.timeout, metrics.clone(), queue_len.clone());
        tracing::info!(collector = export.endpoint, "exporting traces");
        let mut recorder = Recorder::new(exporter, config.sampler.clone(), export, metrics, queue_len);
        recorder.last_exports.clone_from(&config.last_exports);
        Self(Some(Arc::new(recorder)))
    }

    /// Exports the queued spans, for at most [`FLUSH_MAX`]. Spans that end later are dropped and counted.
    /// Returns at once where the configuration has [`last_exports`](Config::export_last_in).
    pub async fn stop(&self) {
        let Some(recorder) = self.0.clone() else { return };
        let last_exports = recorder.last_exports.clone();
        let export = move || {
            recorder.close();
            if let Err(error) = recorder.processor.shutdown_with_timeout(FLUSH_MAX) {
                tracing::warn!(%error, "cannot export the last spans");
            }
        };
        match last_exports {
            Some(tasks) => drop(tasks.spawn_blocking(export)),
            // A panic is logged by the hook of the process.
            None => drop(tokio::task::spawn_blocking(export).await),
        }
    }

    pub(super) fn recorder(&self) -> Option<&Arc<Recorder>> {
        self.0.as_ref()
    }
}

impl Recorder {
    /// A recorder that exports to `exporter`, which subtracts the spans it receives from `queue_len`.
    fn new(
        exporter: impl SpanExporter + 'static,
        sampler: Sampler,
        export: &Export,
        metrics: Metrics,
        queue_len: Arc<AtomicUsize>,
    ) -> Self {
        let Export { delay, queue_max, batch_max, resource, .. } = export;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(*queue_max)
            .with_max_export_batch_size(*batch_max)
            .with_scheduled_delay(*delay)
            .build();
        let mut processor = BatchSpanProcessor::new(exporter, batches);
        processor.set_resource(&Resource::builder_empty().with_attributes(resource.clone()).build());
        Self {
            sampler,
            scope: InstrumentationScope::builder("order-system")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
            processor,
            queue_len,
            queue_max: *queue_max,
            is_open: RwLock::new(true),
            metrics,
            last_exports: None,
        }
    }

    /// Enqueues a finished span, unless the queue is full or the tracer has stopped.
    pub(super) fn enqueue(&self, span: SpanData) {
        // No code panics while it holds the lock.
        let is_open = self.is_open.read().unwrap_or_else(PoisonError::into_inner);
        if !*is_open {
            self.metrics.late.inc();
        // The SDK's own queue has the same size, and would drop spans without counting them.
        } else if self.queue_len.fetch_add(1, Ordering::Relaxed) < self.queue_max {
            self.metrics.queued.inc();
            self.processor.on_end(span);
        } else {
            self.queue_len.fetch_sub(1, Ordering::Relaxed);
            self.metrics.dropped.inc();
        }
    }

    /// Drops spans that end later; those in the queue are still exported.
    fn close(&self) {
        *self.is_open.write().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Mutex;

    use opentelemetry_sdk::error::OTelSdkResult;

    use super::*;
    use crate::{
        env::{Reader, Vars},
        metrics::render,
        trace::{Context, OWN_VARIABLES, SHARED_VARIABLES, SpanKind},
    };

    /// Keeps exported spans in memory.
    #[derive(Debug, Clone, Default)]
    pub(in crate::trace) struct MemoryExporter {
        spans: Arc<Mutex<Vec<SpanData>>>,
        queue_len: Arc<AtomicUsize>,
    }

    impl SpanExporter for MemoryExporter {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.queue_len.fetch_sub(batch.len(), Ordering::Relaxed);
            self.spans.lock().unwrap().extend(batch);
            Ok(())
        }
    }

    impl MemoryExporter {
        /// A tracer that records everything, with its metrics in `registry`.
        pub(in crate::trace) fn tracer(&self, registry: &mut Registry) -> Tracer {
            let vars = Vars::from_iter([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")]);
            let config = Config::read(
                &mut Reader::new(&vars, &[SHARED_VARIABLES, OWN_VARIABLES]),
                "order",
                Sampler::default(),
            );
            let (export, metrics) = (config.export.unwrap(), Metrics::register(registry));
            let queue_len = self.queue_len.clone();
            Tracer(Some(Arc::new(Recorder::new(self.clone(), config.sampler, &export, metrics, queue_len))))
        }

        /// Stops `tracer` and returns all ended spans.
        pub(in crate::trace) async fn spans(&self, tracer: Tracer) -> Vec<SpanData> {
            tracer.stop().await;
            self.spans.lock().unwrap().clone()
        }
    }

    #[tokio::test]
    async fn a_span_that_ends_after_the_last_export_is_counted_as_dropped() {
        let (exporter, mut registry) = (MemoryExporter::default(), Registry::default());
        let tracer = exporter.tracer(&mut registry);
        let end_one = || Context::root(&tracer).record(SpanKind::Internal, "work").end();
        end_one();
        tracer.stop().await;
        end_one();
        end_one();
        assert_eq!(exporter.spans.lock().unwrap().len(), 1);
        let page = render(&Arc::new(registry));
        for (error_type, count) in [("", 1), ("queue_full", 0), ("already_shutdown", 2)] {
            let sample =
                format!("otel_sdk_processor_span_processed_total{{error_type=\"{error_type}\"}} {count}\n");
            assert!(page.contains(&sample), "{sample}{page}");
        }
    }
}
