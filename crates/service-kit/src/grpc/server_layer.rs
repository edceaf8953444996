//! The layer around every handler: trace context, deadline, limit of calls in flight, panics, metrics and
//! load reports.
//!
//! - `http_request`: requests that are no gRPC calls
//! - `messages`: the number and the size of the messages of a request
//! - `standard`: the limits of health and reflection
//! - `deadline`: the deadline of a call
//! - `slot`: permits of calls in flight
//! - `receiving`: calls whose request has not arrived as a whole
//! - `call_record`: the record of one call, which is written when the call ends or its client disconnects

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::FutureExt;
use http::{Request, Response};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};
use tracing::Instrument;

use super::load::{Load, Reporting};
use crate::{
    metrics::ServerMetrics,
    not_started,
    trace::{self, SpanKind, Tracer},
};

mod call_record;
mod deadline;
mod http_request;
mod messages;
mod receiving;
mod slot;
mod standard;

use call_record::CallRecord;
pub use deadline::{Deadline, TIME_LEFT_MIN};
use messages::{Cardinality, Messages};
use receiving::Receiving;
use slot::Slot;
pub use standard::WATCHES_MAX;
use standard::{HoldingBody, StandardCall, StandardCalls};

#[derive(Clone)]
pub(super) struct ServerLayer(Arc<Shared>);

struct Shared {
    domain: &'static str,
    metrics: ServerMetrics,
    tracer: Tracer,
    in_flight: AtomicUsize,
    /// Those calls in flight whose request has not arrived as a whole.
    receiving: AtomicUsize,
    /// Work that outlives its call. The limit counts it as calls.
    tasks: TaskTracker,
    load: Load,
    standard: StandardCalls,
}

impl ServerLayer {
    pub(super) fn new(
        domain: &'static str,
        metrics: ServerMetrics,
        tracer: Tracer,
        tasks: TaskTracker,
    ) -> Self {
        let (in_flight, receiving) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (load, standard) = (Load::new(), StandardCalls::new());
        Self(Arc::new(Shared { domain, metrics, tracer, in_flight, receiving, tasks, load, standard }))
    }

    /// The calls whose handlers run.
    pub(super) fn calls_running(&self) -> usize {
        let receiving = self.0.receiving.load(Ordering::Relaxed);
        self.0.in_flight.load(Ordering::Relaxed).saturating_sub(receiving)
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = ServerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ServerService { shared: self.0.clone(), inner }
    }
}

#[derive(Clone)]
pub(super) struct ServerService<S> {
    shared: Arc<Shared>,
    inner: S,
}

type ResponseFuture<E> = Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>>;

impl<S> Service<Request<Body>> for ServerService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error: Send> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if let Some(rejection) = http_request::rejection(&request) {
            return Box::pin(async move {
                http_request::discard(request).await;
                Ok(rejection)
            });
        }
        match StandardCall::of(request.uri().path()) {
            Some(kind) => self.call_standard(kind, request),
            None => self.call_handler(request),
        }
    }
}

impl<S> ServerService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error: Send> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    fn call_standard(&mut self, kind: StandardCall, request: Request<Body>) -> ResponseFuture<S::Error> {
        let deadline = Deadline::of(request.headers(), Instant::now());
        let permit = match self.shared.standard.admit(kind) {
            Ok(permit) => permit,
            Err(rejection) => return Box::pin(std::future::ready(Ok(rejection.into_http()))),
        };
        let request = request.map(|body| Body::new(Messages::new(body, kind.cardinality())));
        let handled = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        Box::pin(async move {
            let response = response_of(deadline::within(deadline, handled).await)?;
            Ok(HoldingBody::hold(response, permit, deadline))
        })
    }

    fn call_handler(&mut self, mut request: Request<Body>) -> ResponseFuture<S::Error> {
        let (started, shared) = (Instant::now(), self.shared.clone());
        let deadline = Deadline::of(request.headers(), started);
        let slot = match admit(&shared, deadline, started) {
            Ok(slot) => slot,
            Err(why) => {
                shared.metrics.refused.inc();
                let rejection = not_started::status(shared.domain, why).into_http();
                return Box::pin(std::future::ready(Ok(Reporting::add(shared, rejection))));
            }
        };
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(deadline);
        }
        let context = trace::Context::entering(&shared.tracer, request.headers());
        let log_span = context.span(request.uri().path());
        let span = context.record(SpanKind::Server, "unknown");
        let method = request.uri().path().trim_start_matches('/').to_owned();
        // Every method of the services is unary.
        let request = request.map(|body| Receiving::track(&shared, Messages::new(body, Cardinality::One)));
        let handled = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        let responded = async move {
            // Created by the first poll, in which an unknown method already gets its response: a call of a
            // made-up path is never recorded as CANCELLED, under that path.
            let call_record = CallRecord { slot, span, method, started, code: Code::Cancelled };
            let response = response_of(deadline::within(deadline, handled).await)?;
            call_record.end(&response);
            Ok(Reporting::add(shared, response))
        };
        Box::pin(trace::scope(context, responded).instrument(log_span))
    }
}

/// The output of a handler: `None` where its deadline passed, the payload of a panic, or its response.
type Handled<E> = Option<Result<Result<Response<Body>, E>, Box<dyn Any + Send>>>;

/// The response of a handler: its own, or the status for a panic or a passed deadline.
fn response_of<E>(handled: Handled<E>) -> Result<Response<Body>, E> {
    match handled {
        Some(Ok(response)) => response,
        Some(Err(panic)) => Ok(panic_response(&*panic)),
        None => Ok(deadline::passed().into_http()),
    }
}

/// A permit for a call that arrived `now`, or the reason of its rejection.
fn admit(shared: &Arc<Shared>, deadline: Option<Deadline>, now: Instant) -> Result<Slot, &'static str> {
    if deadline.is_some_and(|deadline| deadline.0 < now + TIME_LEFT_MIN) {
        return Err("too little time is left");
    }
    Slot::try_acquire(shared).ok_or("too many calls in flight")
}

/// The response after a panic. The panic hook of the process has logged the text, which clients must not see.
fn panic_response(_panic: &(dyn Any + Send)) -> Response<Body> {
    Status::internal("internal error").into_http()
}
