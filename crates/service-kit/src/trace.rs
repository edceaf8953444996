//! W3C trace context and request ids of requests, from the incoming headers to the headers of calls, and
//! spans for a collector.
//!
//! A server takes a [`Context`] from the headers of a request and runs the request in its [`scope`]. A call
//! to another service finds it with [`current`] and sends it with [`Context::write_to`]. Work that outlives
//! the request is spawned with [`with_current_context`]. Where a [`Tracer`] samples the request, each
//! [`Span`] that starts in the scope is part of its trace.
//!
//! - [`Config`]: OpenTelemetry's variables; [`Sampler`]: the decision which traces are recorded
//! - [`Tracer`]: exports finished spans; there is no global one, so that services in one process have
//!   separate spans

use std::{borrow::Cow, fmt, future::Future};

use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Instrument;
use uuid::Uuid;

mod client_spans;
mod config;
mod export;
mod metrics;
mod sampler;
mod span;
mod tracer;
mod tracestate;

pub use client_spans::ClientSpans;
pub use config::{Config, OWN_VARIABLES, SHARED_VARIABLES};
pub use sampler::Sampler;
pub use span::{Span, SpanKind};
pub use tracer::{FLUSH_MAX, Tracer};

/// W3C Trace Context, section 3.2.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// W3C Trace Context, section 3.3. Forwarded unchanged with an unchanged `traceparent`, several lines joined
/// into one; otherwise at most 512 bytes of it.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The id of a request, in HTTP and in gRPC; problems contain it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Flag of W3C Trace Context, section 3.2.2.5.1: the trace is recorded.
const SAMPLED: u8 = 1;
/// Flag of W3C Trace Context Level 2, section 3.2.2.5.2: the last seven bytes of the trace id are random.
const RANDOM: u8 = 2;

/// The trace of a request, and the span of this process in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    /// The parent span.
    parent: Option<u64>,
    flags: u8,
}

impl TraceContext {
    /// A span of this process in the trace of the header `traceparent`, or the root of a new trace where that
    /// is absent, malformed or repeated. `tracer` decides whether it is sampled; without one, the flag of the
    /// client does.
    fn entering(tracer: &Tracer, headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(&TRACEPARENT).iter();
        let only = values.next().filter(|_| values.next().is_none());
        let caller = only.and_then(|value| parse_traceparent(value.as_bytes()));
        let flag = caller.map(|caller| caller.is_sampled());
        let sampled = match tracer.recorder() {
            Some(recorder) => recorder.sampler.decide(flag),
            None => flag.unwrap_or(false),
        };
        let trace_id = caller.map_or_else(new_trace_id, |caller| caller.trace_id);
        let random = caller.map_or(RANDOM, |caller| caller.flags & RANDOM);
        let parent = caller.map(|caller| caller.span_id);
        let flags = random | if sampled { SAMPLED } else { 0 };
        Self { trace_id, span_id: new_span_id(), parent, flags }
    }

    /// Whether the trace is recorded, here and by the services that are called.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The `traceparent` that makes a span of a called service a child of this one.
    pub fn traceparent(&self) -> HeaderValue {
        let text = format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags);
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// 32 hexadecimal digits when displayed.
    pub fn trace_id(&self) -> impl fmt::Display + use<> {
        Hex::<32>(self.trace_id)
    }

    /// 16 hexadecimal digits when displayed.
    pub fn span_id(&self) -> impl fmt::Display + use<> {
        Hex::<16>(self.span_id.into())
    }
}

struct Hex<const WIDTH: usize>(u128);

impl<const WIDTH: usize> fmt::Display for Hex<WIDTH> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0WIDTH$x}", self.0)
    }
}

/// All bits are random, unlike in a UUID: samplers of other systems may use any of them.
fn new_trace_id() -> u128 {
    fastrand::u128(1..)
}

fn new_span_id() -> u64 {
    fastrand::u64(1..)
}

/// Parses a `traceparent`; of a version after 00, the part that version 00 defines.
fn parse_traceparent(value: &[u8]) -> Option<TraceContext> {
    let text = std::str::from_utf8(value).ok()?;
    let mut parts = text.split('-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let well_formed =
        [(version, 2), (trace_id, 32), (span_id, 16), (flags, 2)].iter().all(|(part, length)| {
            part.len() == *length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        });
    if !well_formed || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let trace_id = u128::from_str_radix(trace_id, 16).ok().filter(|id| *id != 0)?;
    let span_id = u64::from_str_radix(span_id, 16).ok().filter(|id| *id != 0)?;
    Some(TraceContext {
        trace_id,
        span_id,
        parent: None,
        // The others are reserved, and sent as 0 (section 3.2.2.5.3).
        flags: u8::from_str_radix(flags, 16).ok()? & (SAMPLED | RANDOM),
    })
}

/// The context of a request, which is forwarded from process to process.
#[derive(Debug, Clone)]
pub struct Context {
    /// The trace, and the span of this process in it.
    pub trace: TraceContext,
    /// The id of the client where it is a UUID, else a new one.
    pub request_id: Uuid,
    tracestate: Option<HeaderValue>,
    tracer: Tracer,
    /// Whether the span is the first of this process, so that its parent belongs to another process.
    is_entry: bool,
}

impl Context {
    /// The context of work without a request: the root of a new trace.
    pub fn root(tracer: &Tracer) -> Self {
        Self::entering(tracer, &HeaderMap::new())
    }

    /// The context of a request, from its headers, without recording.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        Self::entering(&Tracer::default(), headers)
    }

    /// The context of a request, from its headers (gRPC metadata are headers too). `tracer` decides whether
    /// it is sampled.
    pub fn entering(tracer: &Tracer, headers: &HeaderMap) -> Self {
        let request_id =
            headers.get(&REQUEST_ID).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
        let trace = TraceContext::entering(tracer, headers);
        let unchanged_parent = tracer.recorder().is_none();
        Self {
            trace,
            request_id: request_id.unwrap_or_else(Uuid::new_v4),
            // It belongs to the trace of the client.
            tracestate: trace.parent.and_then(|_| tracestate::forwarded(headers, unchanged_parent)),
            tracer: tracer.clone(),
            is_entry: true,
        }
    }

    /// Starts the span of this context.
    pub fn record(&self, kind: SpanKind, name: impl Into<Cow<'static, str>>) -> Span {
        Span::of(self.clone(), kind, name.into())
    }

    /// Writes the context to the headers of a call to another service.
    pub fn write_to(&self, headers: &mut HeaderMap) {
        headers.insert(TRACEPARENT, self.parent_of_calls().traceparent());
        headers.insert(REQUEST_ID, request_id_value(self.request_id));
        if let Some(state) = &self.tracestate {
            headers.insert(TRACESTATE, state.clone());
        }
    }

    /// The parent of spans of called services: the span of this process, or, without a [`Tracer`], that of
    /// its client (W3C Trace Context, section 3.4). Otherwise the parent would be a span that no collector
    /// receives.
    fn parent_of_calls(&self) -> TraceContext {
        match (self.tracer.recorder(), self.trace.parent) {
            (None, Some(caller)) => TraceContext { span_id: caller, ..self.trace },
            _ => self.trace,
        }
    }

    /// The log span of this request; `call` is its method or route.
    pub fn span(&self, call: &str) -> tracing::Span {
        // At the level ERROR, so that lines that pass the filter keep the ids.
        tracing::error_span!(
            "request",
            call,
            trace_id = %self.trace.trace_id(),
            span_id = %self.trace.span_id(),
            request_id = %self.request_id
        )
    }
}

/// A request id as a header's value.
pub fn request_id_value(id: Uuid) -> HeaderValue {
    let mut buffer = Uuid::encode_buffer();
    let text: &str = id.hyphenated().encode_lower(&mut buffer);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

tokio::task_local! {
    static CURRENT: Context;
}

/// Runs `future` in the context of a request.
pub fn scope<F: Future>(context: Context, future: F) -> impl Future<Output = F::Output> {
    // An async fn would store the future twice.
    CURRENT.scope(context, future)
}

/// The context of the scope, if any.
pub fn current() -> Option<Context> {
    CURRENT.try_with(Clone::clone).ok()
}

/// `future` with the current context and log span, for a task that outlives the request.
pub fn with_current_context<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let (context, span) = (current(), tracing::Span::current());
    async move {
        match context {
            Some(context) => scope(context, future).await,
            None => future.await,
        }
    }
    .instrument(span)
}

#[cfg(test)]
mod tests {
    use super::{tracer::tests::MemoryExporter, *};

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn entered(traceparent: &'static str) -> TraceContext {
        let headers = HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_static(traceparent))]);
        TraceContext::entering(&Tracer::default(), &headers)
    }

    #[test]
    fn a_well_formed_parent_sets_the_trace_and_not_the_span() {
        let context = entered(PARENT);
        assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(context.span_id().to_string(), "00f067aa0ba902b7");
        assert!(context.traceparent().to_str().unwrap().ends_with("-01"));
    }

    #[test]
    fn a_malformed_parent_starts_a_new_trace() {
        for bad in [
            "",
            "00-0",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
        ] {
            assert_ne!(entered(bad).trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736", "{bad}");
        }
    }

    #[test]
    fn only_a_uuid_is_kept_as_request_id() {
        let id = Uuid::new_v4();
        let headers =
            |value: &str| HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_str(value).unwrap())]);
        assert_eq!(Context::from_headers(&headers(&id.to_string())).request_id, id);
        assert_ne!(Context::from_headers(&headers("mine")).request_id.to_string(), "mine");
    }

    /// The headers that a service without a tracer sends after a request with these headers.
    fn forwarded(parent: &'static str, states: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_static(parent))]);
        for state in states {
            headers.append(TRACESTATE, HeaderValue::from_str(state).unwrap());
        }
        let mut onward = HeaderMap::new();
        Context::from_headers(&headers).write_to(&mut onward);
        onward
    }

    #[test]
    fn without_a_tracer_the_parent_flags_and_tracestate_of_the_client_are_forwarded() {
        let long = format!("a={}", "v".repeat(600));
        for flags in ["00", "01", "02", "03"] {
            let parent: &str = format!("{}{flags}", &PARENT[..53]).leak();
            let onward = forwarded(parent, &["b=1", &long]);
            assert_eq!(onward[TRACEPARENT], parent);
            let lines: Vec<_> = onward.get_all(TRACESTATE).iter().collect();
            assert_eq!(lines, [&format!("b=1,{long}")]);
        }
        assert_eq!(forwarded("garbage", &["a=1"]).get(TRACESTATE), None);
    }

    #[test]
    fn reserved_flags_are_not_forwarded() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff";
        assert!(forwarded(parent, &[])[TRACEPARENT].to_str().unwrap().ends_with("-03"));
    }

    #[test]
    fn two_parents_start_a_new_trace_without_tracestate() {
        for second in [PARENT, "garbage", ""] {
            let mut headers = HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_static(PARENT))]);
            headers.append(TRACEPARENT, HeaderValue::from_static(second));
            headers.append(TRACESTATE, HeaderValue::from_static("a=1"));
            let context = Context::from_headers(&headers);
            assert_ne!(context.trace.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736", "{second}");
            assert_eq!((context.trace.parent, context.tracestate), (None, None), "{second}");
        }
    }

    #[test]
    fn ids_made_here_are_marked_as_random() {
        let flags = |headers: &HeaderMap| headers[TRACEPARENT].to_str().unwrap()[53..].to_owned();
        assert_eq!(flags(&forwarded("garbage", &[])), "02");
        let tracer = MemoryExporter::default().tracer(&mut prometheus_client::registry::Registry::default());
        let mut onward = HeaderMap::new();
        Context::root(&tracer).write_to(&mut onward);
        assert_eq!(flags(&onward), "03");
    }

    #[tokio::test]
    async fn with_a_tracer_the_random_flag_is_kept_and_a_long_tracestate_is_shortened() {
        let exporter = MemoryExporter::default();
        let tracer = exporter.tracer(&mut prometheus_client::registry::Registry::default());
        let members: Vec<_> = (0..6).map(|index| format!("m{index}={}", "v".repeat(100))).collect();
        for (received, sent) in [("01", "01"), ("03", "03"), ("00", "00"), ("02", "02"), ("ff", "03")] {
            let parent = format!("{}{received}", &PARENT[..53]);
            let headers = HeaderMap::from_iter([
                (TRACEPARENT, HeaderValue::try_from(parent).unwrap()),
                (TRACESTATE, HeaderValue::from_static("c=1")),
            ]);
            let context = Context::entering(&tracer, &headers);
            let mut onward = HeaderMap::new();
            context.write_to(&mut onward);
            let traceparent = onward[TRACEPARENT].to_str().unwrap();
            assert_eq!((&traceparent[..36], &traceparent[53..]), (&PARENT[..36], sent), "{received}");
            assert_eq!(onward[TRACESTATE], "c=1");
            context.record(SpanKind::Server, "work").end();
        }
        let mut headers = HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_static(PARENT))]);
        headers.insert(TRACESTATE, HeaderValue::try_from(members.join(",")).unwrap());
        assert_eq!(Context::entering(&tracer, &headers).tracestate.unwrap(), members[..4].join(","));
        let spans = exporter.spans(tracer).await;
        let flags: Vec<_> = spans.iter().map(|span| span.span_context.trace_flags().to_u8()).collect();
        assert_eq!(flags, [1, 3, 3]);
    }

    #[tokio::test]
    async fn spawned_tasks_keep_the_context() {
        let context = Context::root(&Tracer::default());
        let id = context.request_id;
        let seen = scope(context, async {
            tokio::spawn(with_current_context(async { current().map(|c| c.request_id) })).await
        });
        assert_eq!(seen.await.unwrap(), Some(id));
    }
}
