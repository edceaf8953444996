//! Who is given finished spans, and sends them on: a bounded queue, emptied by a thread of the SDK's.
//!
//! A collector that is down or slow costs no request: what does not fit into the queue is dropped, and counted.

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

use super::{
    config::{Config, Export},
    export::{Exporter, connect},
    metrics::Metrics,
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
    /// Whether spans are taken. Read until a span is in the queue, so that none gets there after the last export.
    is_open: RwLock<bool>,
    metrics: Metrics,
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tracer").field(&self.0.as_ref().map(|recorder| &recorder.sampler)).finish()
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
        let metrics = Metrics::register(registry);
        let waiting = Arc::new(AtomicUsize::new(0));
        let exporter = Exporter::new(connect(export)?, export.timeout, metrics.clone(), waiting.clone());
        tracing::info!(collector = export.endpoint, "traces are exported");
        Ok(Self::over(exporter, config.sampler.clone(), export, metrics, waiting))
    }

    /// One that gives spans to `exporter`, which takes those that it is given out of `waiting`.
    fn over(
        exporter: impl SpanExporter + 'static,
        sampler: Sampler,
        export: &Export,
        metrics: Metrics,
        waiting: Arc<AtomicUsize>,
    ) -> Self {
        let Export { delay, queue_max, batch_max, resource, .. } = export;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(*queue_max)
            .with_max_export_batch_size(*batch_max)
            .with_scheduled_delay(*delay)
            .build();
        let mut processor = BatchSpanProcessor::new(exporter, batches);
        processor.set_resource(&Resource::builder_empty().with_attributes(resource.clone()).build());
        Self(Some(Arc::new(Recorder {
            sampler,
            scope: InstrumentationScope::builder("order-system")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
            processor,
            waiting,
            waiting_max: *queue_max,
            is_open: RwLock::new(true),
            metrics,
        })))
    }

    /// Sends what has not been sent yet, for [`FLUSH_MAX`] at most. Spans that end later are dropped, and counted as such.
    pub async fn stop(&self) {
        let Some(recorder) = self.0.clone() else { return };
        let flushed = tokio::task::spawn_blocking(move || {
            recorder.close();
            recorder.processor.shutdown_with_timeout(FLUSH_MAX)
        });
        if let Ok(Err(error)) = flushed.await {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }

    pub(super) fn recorder(&self) -> Option<&Arc<Recorder>> {
        self.0.as_ref()
    }
}

impl Recorder {
    /// Takes a finished span, unless too many wait, or it comes after the last export.
    pub(super) fn take(&self, span: SpanData) {
        // Nothing panics while the lock is held.
        let is_open = self.is_open.read().unwrap_or_else(PoisonError::into_inner);
        if !*is_open {
            self.metrics.late.inc();
        // The SDK's own queue has as many places, and would drop without telling anybody how many.
        } else if self.waiting.fetch_add(1, Ordering::Relaxed) < self.waiting_max {
            self.metrics.queued.inc();
            self.processor.on_end(span);
        } else {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.metrics.dropped.inc();
        }
    }

    /// Takes no more spans: those that are in the queue by now are the last.
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

    /// Keeps what it is given.
    #[derive(Debug, Clone, Default)]
    pub(in crate::trace) struct Kept {
        spans: Arc<Mutex<Vec<SpanData>>>,
        waiting: Arc<AtomicUsize>,
    }

    impl SpanExporter for Kept {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
            self.spans.lock().unwrap().extend(batch);
            Ok(())
        }
    }

    impl Kept {
        /// A tracer that records everything, told in `registry` what becomes of it.
        pub(in crate::trace) fn tracer(&self, registry: &mut Registry) -> Tracer {
            let vars = Vars::from_iter([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")]);
            let config = Config::read(
                &mut Reader::new(&vars, &[SHARED_VARIABLES, OWN_VARIABLES]),
                "order",
                Sampler::default(),
            )
            .unwrap();
            let (export, metrics) = (config.export.unwrap(), Metrics::register(registry));
            Tracer::over(self.clone(), config.sampler, &export, metrics, self.waiting.clone())
        }

        /// Every span that has ended, of a tracer that is not used any more.
        pub(in crate::trace) async fn spans(&self, tracer: Tracer) -> Vec<SpanData> {
            tracer.stop().await;
            self.spans.lock().unwrap().clone()
        }
    }

    #[tokio::test]
    async fn a_span_that_ends_after_the_last_export_is_counted_as_dropped() {
        let (kept, mut registry) = (Kept::default(), Registry::default());
        let tracer = kept.tracer(&mut registry);
        let end_one = || Context::root(&tracer).record(SpanKind::Internal, "work").end();
        end_one();
        tracer.stop().await;
        end_one();
        end_one();
        assert_eq!(kept.spans.lock().unwrap().len(), 1);
        let page = render(&Arc::new(registry));
        for (error_type, count) in [("", 1), ("queue_full", 0), ("already_shutdown", 2)] {
            let sample =
                format!("otel_sdk_processor_span_processed_total{{error_type=\"{error_type}\"}} {count}\n");
            assert!(page.contains(&sample), "{sample}{page}");
        }
    }
}
