//! Sending spans to a collector: by the library, bounded in time, counted, and complained of now and then.

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

/// Who sends the spans: the library says so, where the configuration does not.
const USER_AGENT: &str = "user-agent";

/// How often it is logged, at most, that spans are lost.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// Why no exporter can be made.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be exported: {0}")]
pub struct ExportError(#[from] ExporterBuildError);

/// The library's exporter; it connects when it is first used. What it is not told here it reads from the process's
/// environment by itself. That is how to compress, where the configuration says not to: the environment then says no more.
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

/// Sends the headers that are configured and no others. The library adds those of the environment itself, where it knows
/// no files of secrets: those of all signals would outdo what stands in the file of those of traces.
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

/// An exporter that is driven by the runtime, whichever thread asks for an export.
pub(super) struct Exporter {
    inner: Arc<OtlpExporter>,
    runtime: Handle,
    timeout: Duration,
    metrics: Metrics,
    waiting: Arc<AtomicUsize>,
    complaint: Mutex<Complaint>,
}

/// What has not been told of lost spans yet.
#[derive(Default)]
struct Complaint {
    lost: usize,
    told: Option<Instant>,
}

impl Exporter {
    pub(super) fn new(
        inner: OtlpExporter,
        timeout: Duration,
        metrics: Metrics,
        waiting: Arc<AtomicUsize>,
    ) -> Self {
        let (inner, runtime, complaint) = (Arc::new(inner), Handle::current(), Mutex::default());
        Self { inner, runtime, timeout, metrics, waiting, complaint }
    }

    fn lost(&self, count: usize, error: &OTelSdkError) {
        // Nothing panics while the lock is held.
        let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        complaint.lost += count;
        if complaint.told.is_none_or(|told| told.elapsed() >= COMPLAINT_INTERVAL) {
            tracing::warn!(spans = complaint.lost, %error, "spans are lost: the collector does not take them");
            *complaint = Complaint { lost: 0, told: Some(Instant::now()) };
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
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        let (inner, bound) = (self.inner.clone(), self.timeout);
        // The thread that asks belongs to no runtime, and the library bounds neither connecting nor all attempts together.
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
        // Nobody exports yet.
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.set_resource(resource);
        }
    }
}
