//! A span: one operation as the collector sees it.

use std::{borrow::Cow, future::Future, sync::Arc, time::SystemTime};

use opentelemetry::{
    KeyValue, Value,
    trace::{SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::{CURRENT, Context, scope, tracer::Recorder};

pub use opentelemetry::trace::SpanKind;

/// The `error.type` of a span that was dropped: its client disconnected, or its deadline passed.
const CANCELLED: &str = "cancelled";

/// A started operation of a sampled trace; of any other trace it is empty and costs nothing.
///
/// [`end`](Self::end) ends it. Dropping it ends it as cancelled.
#[derive(Debug, Default)]
pub struct Span(Option<Box<Recording>>);

#[derive(Debug)]
struct Recording {
    context: Context,
    data: SpanData,
}

impl Span {
    /// A span of the current request; empty where there is none, or it is not sampled.
    pub fn start(kind: SpanKind, name: impl Into<Cow<'static, str>>) -> Self {
        let parent = CURRENT.try_with(|context| context.trace.is_sampled().then(|| context.clone()));
        parent.ok().flatten().map_or_else(Self::default, |parent| Self::of(parent.child(), kind, name.into()))
    }

    /// A child of this span.
    pub fn child(&self, kind: SpanKind, name: impl Into<Cow<'static, str>>) -> Self {
        let context = self.0.as_ref().map(|recording| recording.context.child());
        context.map_or_else(Self::default, |context| Self::of(context, kind, name.into()))
    }

    /// The span of `context`.
    pub(super) fn of(context: Context, kind: SpanKind, name: Cow<'static, str>) -> Self {
        let Some(recorder) = context.recorder() else { return Self::default() };
        let trace = context.trace;
        let now = SystemTime::now();
        let data = SpanData {
            span_context: SpanContext::new(
                TraceId::from(trace.trace_id),
                SpanId::from(trace.span_id),
                TraceFlags::new(trace.flags),
                false,
                TraceState::NONE,
            ),
            parent_span_id: trace.parent.map_or(SpanId::INVALID, SpanId::from),
            parent_span_is_remote: context.is_entry && trace.parent.is_some(),
            span_kind: kind,
            name,
            start_time: now,
            end_time: now,
            attributes: Vec::with_capacity(8),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: recorder.scope.clone(),
        };
        Self(Some(Box::new(Recording { context, data })))
    }

    /// Whether the span is recorded. Check it before computing an expensive attribute.
    pub fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// Sets an attribute, with its name in the semantic conventions.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(recording) = &mut self.0 {
            recording.data.attributes.push(KeyValue::new(key, value));
        }
    }

    /// Replaces the name.
    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        if let Some(recording) = &mut self.0 {
            recording.data.name = name.into();
        }
    }

    /// Marks the operation as failed; `error_type` is one of few values, the name or code of an error.
    pub fn fail(&mut self, error_type: impl Into<Value>) {
        self.set("error.type", error_type);
        if let Some(recording) = &mut self.0 {
            recording.data.status = Status::error("");
        }
    }

    /// The context for calls of the operation; `None` where nothing is recorded.
    pub fn context(&self) -> Option<&Context> {
        self.0.as_ref().map(|recording| &recording.context)
    }

    /// Runs `work`; spans that start in it are children of this one.
    pub async fn around<F: Future>(&self, work: F) -> F::Output {
        match self.context() {
            Some(context) => scope(context.clone(), work).await,
            None => work.await,
        }
    }

    /// Ends the span.
    pub fn end(mut self) {
        self.export();
    }

    fn export(&mut self) {
        let Some(recording) = self.0.take() else { return };
        let Recording { context, mut data } = *recording;
        data.end_time = SystemTime::now();
        if let Some(recorder) = context.recorder().cloned() {
            Recorder::enqueue(&recorder, data);
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if self.0.is_some() {
            self.fail(CANCELLED);
            self.export();
        }
    }
}

impl Context {
    /// The context of a child span in this process.
    fn child(&self) -> Self {
        let mut child = self.clone();
        child.trace.parent = Some(self.trace.span_id);
        child.trace.span_id = super::new_span_id();
        child.is_entry = false;
        child
    }

    /// The recorder, if the trace is sampled.
    fn recorder(&self) -> Option<&Arc<Recorder>> {
        self.tracer.recorder().filter(|_| self.trace.is_sampled())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::trace::tracer::tests::MemoryExporter;

    /// The `error.type` of a span; empty where it has none.
    fn error_type(span: &SpanData) -> String {
        let mut attributes = span.attributes.iter();
        let found = attributes.find(|attribute| attribute.key.as_str() == "error.type");
        found.map(|attribute| attribute.value.to_string()).unwrap_or_default()
    }

    #[tokio::test]
    async fn a_dropped_span_is_cancelled() {
        let exporter = MemoryExporter::default();
        let tracer = exporter.tracer(&mut Registry::default());
        let dropped = Context::root(&tracer).record(SpanKind::Server, "dropped");
        let within = dropped.child(SpanKind::Client, "within");
        let work = async move {
            within.around(std::future::pending::<()>()).await;
            within.end();
            dropped.end();
        };
        assert!(work.now_or_never().is_none());
        Context::root(&tracer).record(SpanKind::Server, "ended").end();
        let mut spans = exporter.spans(tracer).await;
        spans.sort_by(|one, other| one.name.cmp(&other.name));
        let spans: Vec<_> =
            spans.iter().map(|span| (&*span.name, error_type(span), span.status.clone())).collect();
        let cancelled = |name| (name, CANCELLED.to_owned(), Status::error(""));
        assert_eq!(
            spans,
            [cancelled("dropped"), ("ended", String::new(), Status::Unset), cancelled("within")]
        );
    }
}
