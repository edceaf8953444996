//! An OTLP collector over gRPC that stores the spans it receives.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use http::HeaderMap;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::{Request, Response, Status, codec::CompressionEncoding, transport::server::TcpIncoming};

use crate::support::eventually;

/// A running collector; it stops when dropped.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Received>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Received {
    spans: Vec<ExportedSpan>,
    headers: HeaderMap,
}

/// An exported span.
#[derive(Debug, Clone)]
pub(crate) struct ExportedSpan {
    /// `service.name` of the resource.
    pub(crate) service: String,
    pub(crate) span: Span,
}

impl ExportedSpan {
    /// Service and span name, for example `order: INSERT orders`.
    pub(crate) fn name(&self) -> String {
        format!("{}: {}", self.service, self.span.name)
    }

    pub(crate) fn trace_id(&self) -> String {
        hex(&self.span.trace_id)
    }

    pub(crate) fn span_id(&self) -> String {
        hex(&self.span.span_id)
    }

    pub(crate) fn parent_id(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    /// An attribute as text, or "" if the span has no such attribute.
    pub(crate) fn attribute(&self, key: &str) -> String {
        text_of(&self.span.attributes, key)
    }
}

impl Collector {
    pub(crate) async fn start() -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address")).await
    }

    async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let received = Arc::<Mutex<Received>>::default();
        let service = TraceServiceServer::new(Service(received.clone()));
        let service = service.accept_compressed(CompressionEncoding::Gzip);
        let serving = tonic::transport::Server::builder().add_service(service);
        let task = tokio::spawn(async move {
            serving.serve_with_incoming(TcpIncoming::from(listener)).await.expect("a server");
        });
        Self { address, received, task }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans received so far.
    pub(crate) fn spans(&self) -> Vec<ExportedSpan> {
        self.received.lock().expect("the lock is not poisoned").spans.clone()
    }

    /// A header of the last export.
    pub(crate) fn header(&self, name: &str) -> String {
        let received = self.received.lock().expect("the lock is not poisoned");
        received.headers.get(name).map_or_else(String::new, |value| value.to_str().expect("text").to_owned())
    }

    /// Waits for `count` spans of a trace, and returns its spans ordered by start time.
    pub(crate) async fn trace(&self, trace_id: &str, count: usize) -> Vec<ExportedSpan> {
        eventually(&format!("{count} spans of the trace {trace_id}"), async || {
            let mut spans = self.spans();
            spans.retain(|span| span.trace_id() == trace_id);
            spans.sort_by_key(|span| span.span.start_time_unix_nano);
            (spans.len() >= count).then_some(spans)
        })
        .await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Service(Arc<Mutex<Received>>);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let (headers, _, batch) = request.into_parts();
        let mut received = self.0.lock().expect("the lock is not poisoned");
        received.headers = headers.into_headers();
        for resource_spans in batch.resource_spans {
            let attributes = resource_spans.resource.map(|resource| resource.attributes).unwrap_or_default();
            let service = text_of(&attributes, "service.name");
            let spans = resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
            received.spans.extend(spans.map(|span| ExportedSpan { service: service.clone(), span }));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn text_of(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
