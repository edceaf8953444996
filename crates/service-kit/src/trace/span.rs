//! One piece of work as a collector is told of it.

use std::{borrow::Cow, future::Future, sync::Arc, time::SystemTime};

use opentelemetry::{
    KeyValue, Value,
    trace::{SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::{CURRENT, Context, scope, tracer::Recorder};

pub use opentelemetry::trace::SpanKind;

/// What a span says went wrong that was dropped half-way: its caller left, or its time was over.
const CANCELLED: &str = "cancelled";

/// A piece of work that has begun, if the trace that it is part of is sampled; else nothing at all, which costs nothing.
///
/// It ends with [`end`](Self::end). Dropped before, it says that it was cancelled.
#[derive(Debug, Default)]
pub struct Span(Option<Box<Recording>>);

#[derive(Debug)]
struct Recording {
    context: Context,
    data: SpanData,
}

impl Span {
    /// Part of the request that is being worked on here. Nothing where there is none, or it is not sampled.
    pub fn start(kind: SpanKind, name: impl Into<Cow<'static, str>>) -> Self {
        let parent = CURRENT.try_with(|context| context.trace.is_sampled().then(|| context.clone()));
        parent.ok().flatten().map_or_else(Self::default, |parent| Self::of(parent.child(), kind, name.into()))
    }

    /// Part of this one.
    pub fn child(&self, kind: SpanKind, name: impl Into<Cow<'static, str>>) -> Self {
        let context = self.0.as_ref().map(|recording| recording.context.child());
        context.map_or_else(Self::default, |context| Self::of(context, kind, name.into()))
    }

    /// The span that `context` names.
    pub(super) fn of(context: Context, kind: SpanKind, name: Cow<'static, str>) -> Self {
        let Some(recorder) = context.recorder() else { return Self::default() };
        let trace = context.trace;
        let now = SystemTime::now();
        let data = SpanData {
            span_context: SpanContext::new(
                TraceId::from(trace.trace_id),
                SpanId::from(trace.span_id),
                TraceFlags::SAMPLED,
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

    /// Whether anything is recorded: worth asking before an attribute is made at some cost.
    pub fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// Says something about the work, by the semantic conventions' name for it.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(recording) = &mut self.0 {
            recording.data.attributes.push(KeyValue::new(key, value));
        }
    }

    /// Gives it another name.
    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        if let Some(recording) = &mut self.0 {
            recording.data.name = name.into();
        }
    }

    /// Says that the work failed, and how: one of few words, an error's name or code.
    pub fn fail(&mut self, error_type: impl Into<Value>) {
        self.set("error.type", error_type);
        if let Some(recording) = &mut self.0 {
            recording.data.status = Status::error("");
        }
    }

    /// What the work hands on to those it calls; `None` where nothing is recorded.
    pub fn context(&self) -> Option<&Context> {
        self.0.as_ref().map(|recording| &recording.context)
    }

    /// Runs `work`, which others' spans are part of this one in.
    pub async fn around<F: Future>(&self, work: F) -> F::Output {
        match self.context() {
            Some(context) => scope(context.clone(), work).await,
            None => work.await,
        }
    }

    /// The work has ended.
    pub fn end(mut self) {
        self.hand_over();
    }

    fn hand_over(&mut self) {
        let Some(recording) = self.0.take() else { return };
        let Recording { context, mut data } = *recording;
        data.end_time = SystemTime::now();
        if let Some(recorder) = context.recorder().cloned() {
            Recorder::take(&recorder, data);
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if self.0.is_some() {
            self.fail(CANCELLED);
            self.hand_over();
        }
    }
}

impl Context {
    /// A span of this process within this one.
    fn child(&self) -> Self {
        let mut child = self.clone();
        child.trace.parent = Some(self.trace.span_id);
        child.trace.span_id = super::new_span_id();
        child.is_entry = false;
        child
    }

    /// Who is given the span, if it is sampled.
    fn recorder(&self) -> Option<&Arc<Recorder>> {
        self.tracer.recorder().filter(|_| self.trace.is_sampled())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::trace::tracer::tests::Kept;

    /// The `error.type` that a span was told to have; empty where there is none.
    fn error_type(span: &SpanData) -> String {
        let mut attributes = span.attributes.iter();
        let found = attributes.find(|attribute| attribute.key.as_str() == "error.type");
        found.map(|attribute| attribute.value.to_string()).unwrap_or_default()
    }

    #[tokio::test]
    async fn a_span_of_work_that_is_cut_off_says_that_it_was_cancelled() {
        let kept = Kept::default();
        let tracer = kept.tracer(&mut Registry::default());
        let cut_off = Context::root(&tracer).record(SpanKind::Server, "cut off");
        let within = cut_off.child(SpanKind::Client, "within");
        let work = async move {
            within.around(std::future::pending::<()>()).await;
            within.end();
            cut_off.end();
        };
        assert!(work.now_or_never().is_none());
        Context::root(&tracer).record(SpanKind::Server, "answered").end();
        let mut told = kept.spans(tracer).await;
        told.sort_by(|one, other| one.name.cmp(&other.name));
        let told: Vec<_> =
            told.iter().map(|span| (&*span.name, error_type(span), span.status.clone())).collect();
        let cancelled = |name| (name, CANCELLED.to_owned(), Status::error(""));
        assert_eq!(
            told,
            [("answered", String::new(), Status::Unset), cancelled("cut off"), cancelled("within")]
        );
    }
}
