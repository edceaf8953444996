//! The export of spans to a collector: a time limit, metrics and rate-limited warnings around the library's
//! exporter.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter as OtlpExporter, WithExportConfig, WithTonicConfig,
};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{SpanData, SpanExporter},
};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};
use tonic::{
    Request, Status,
    metadata::MetadataMap,
    transport::{Certificate, ClientTlsConfig},
};

use super::{config::Export, metrics::Metrics};

/// The library sets it where the configuration does not.
const USER_AGENT: &str = "user-agent";

/// The least interval of warnings about lost spans.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// The exporter cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("cannot export traces: {0}")]
pub(super) struct ExportError(#[from] ExporterBuildError);

/// The library's exporter, which connects at its first export. It reads settings without a value here from
/// the environment itself: only the compression, and only where the environment has none.
pub(super) fn connect(export: &Export) -> Result<OtlpExporter, ExportError> {
    let tls = match &export.authorities {
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    let exporter = OtlpExporter::builder()
        .with_tonic()
        .with_endpoint(&export.endpoint)
        .with_timeout(export.timeout)
        .with_interceptor(headers(MetadataMap::from_headers(export.headers.clone())));
    let exporter = match export.compression {
        Some(compression) => exporter.with_compression(compression),
        None => exporter,
    };
    let exporter = if export.is_https() { exporter.with_tls_config(tls) } else { exporter };
    Ok(exporter.build()?)
}

/// Replaces all headers by the configured ones. The library adds those of the environment and ignores `_FILE`
/// variables: headers of all signals would override the file with the headers of traces.
fn headers(
    configured: MetadataMap,
) -> impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone + Send + Sync {
    move |mut request| {
        let agent = request.metadata_mut().remove(USER_AGENT);
        *request.metadata_mut() = configured.clone();
        if let Some(agent) = agent.filter(|_| !configured.contains_key(USER_AGENT)) {
            request.metadata_mut().insert(USER_AGENT, agent);
        }
        Ok(request)
    }
}

/// An exporter that runs on the tokio runtime; the SDK calls it from a thread of its own.
pub(super) struct Exporter {
    inner: Arc<OtlpExporter>,
    runtime: Handle,
    timeout: Duration,
    metrics: Metrics,
    queue_len: Arc<AtomicUsize>,
    warning: Mutex<LossWarning>,
}

/// Limits the warnings about lost spans.
#[derive(Default)]
struct LossWarning {
    /// Spans since the last warning.
    lost: usize,
    last: Option<Instant>,
}

impl Exporter {
    pub(super) fn new(
        inner: OtlpExporter,
        timeout: Duration,
        metrics: Metrics,
        queue_len: Arc<AtomicUsize>,
    ) -> Self {
        let (inner, runtime, warning) = (Arc::new(inner), Handle::current(), Mutex::default());
        Self { inner, runtime, timeout, metrics, queue_len, warning }
    }

    fn lost(&self, count: usize, error: &OTelSdkError) {
        // No code panics while it holds the lock.
        let mut warning = self.warning.lock().unwrap_or_else(PoisonError::into_inner);
        warning.lost += count;
        if warning.last.is_none_or(|last| last.elapsed() >= WARNING_INTERVAL) {
            tracing::warn!(spans = warning.lost, %error, "trace export failed, spans lost");
            *warning = LossWarning { lost: 0, last: Some(Instant::now()) };
        }
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.queue_len.fetch_sub(count, Ordering::Relaxed);
        let (inner, bound) = (self.inner.clone(), self.timeout);
        // The SDK's thread belongs to no runtime, and the library limits neither connecting nor all attempts
        // together.
        let exporting = self.runtime.spawn(async move { timeout(bound, inner.export(batch)).await });
        let exported = match exporting.await {
            Ok(Ok(exported)) => exported,
            Ok(Err(_)) => Err(OTelSdkError::Timeout(bound)),
            Err(error) => Err(OTelSdkError::InternalFailure(error.to_string())),
        };
        let counter = if exported.is_ok() { &self.metrics.exported } else { &self.metrics.lost };
        counter.inc_by(count as u64);
        if let Err(error) = &exported {
            self.lost(count, error);
        }
        exported
    }

    fn set_resource(&mut self, resource: &Resource) {
        // The SDK calls this before the first export.
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.set_resource(resource);
        }
    }
}
