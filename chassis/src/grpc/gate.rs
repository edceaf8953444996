//! What every call passes before its handler: trace context, the bound on calls in flight, the deadline,
//! and a catch for panics; and what is counted when it has been answered.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt;
use http::{HeaderMap, Request, Response};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};
use tracing::Instrument;

use super::CALLS_IN_FLIGHT_MAX;
use crate::{
    metrics::{CallLabels, ServerMetrics},
    refusal, trace,
};

/// When the caller will give up, by this process's clock: an extension of every request that came with a
/// `grpc-timeout`.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(pub Instant);

#[derive(Clone)]
pub(super) struct GateLayer(Arc<Shared>);

struct Shared {
    domain: &'static str,
    metrics: ServerMetrics,
    in_flight: AtomicUsize,
    /// Work whose caller may have left: it counts as much as a call.
    tasks: TaskTracker,
}

impl GateLayer {
    pub(super) fn new(domain: &'static str, metrics: ServerMetrics, tasks: TaskTracker) -> Self {
        Self(Arc::new(Shared { domain, metrics, in_flight: AtomicUsize::new(0), tasks }))
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Gate { shared: self.0.clone(), inner }
    }
}

#[derive(Clone)]
pub(super) struct Gate<S> {
    shared: Arc<Shared>,
    inner: S,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error: Send> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // Health must answer a server that refuses everything else, and its watches are not work.
        if request.uri().path().starts_with("/grpc.") {
            return Box::pin(self.inner.call(request));
        }
        let started = Instant::now();
        let Some(slot) = Slot::take(&self.shared) else {
            self.shared.metrics.refused.inc();
            let refused = refusal::not_started(self.shared.domain, "too many calls in flight");
            return Box::pin(std::future::ready(Ok(refused.into_http())));
        };
        if let Some(timeout) = grpc_timeout(request.headers()) {
            request.extensions_mut().insert(Deadline(started + timeout));
        }
        let context = trace::Context::from_headers(request.headers());
        let span = context.span(request.uri().path());
        let method = request.uri().path().trim_start_matches('/').to_owned();
        let handled = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        let answered = async move {
            let response = match handled.await {
                Ok(response) => response?,
                Err(panic) => answer_panic(&*panic),
            };
            slot.count(method, &response, started);
            Ok(response)
        };
        Box::pin(trace::within(context, answered).instrument(span))
    }
}

/// One call in flight; gives its place back when dropped, by an answer or by a caller that went away.
struct Slot(Arc<Shared>);

impl Slot {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let room = shared.in_flight.fetch_add(1, Ordering::Relaxed) < CALLS_IN_FLIGHT_MAX
            && shared.tasks.len() < CALLS_IN_FLIGHT_MAX;
        let slot = room.then(|| Self(shared.clone()));
        match slot {
            Some(_) => drop(shared.metrics.in_flight.inc()),
            None => drop(shared.in_flight.fetch_sub(1, Ordering::Relaxed)),
        }
        slot
    }

    fn count(&self, method: String, response: &Response<Body>, started: Instant) {
        // A unary answer that failed has its status in the headers; any other is counted as OK.
        let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
        // Any path may be asked for, and each would be kept for ever.
        let method = if code == Code::Unimplemented { "unknown".to_owned() } else { method };
        let code = i32::from(code).unsigned_abs();
        self.0.metrics.calls.get_or_create(&CallLabels { method, code }).inc();
        self.0.metrics.seconds.observe(started.elapsed().as_secs_f64());
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.in_flight.dec();
    }
}

/// The panic itself was logged by the process's hook; its text is nobody else's business.
fn answer_panic(_panic: &(dyn Any + Send)) -> Response<Body> {
    Status::internal("internal error").into_http()
}

/// The `grpc-timeout` of the gRPC protocol: at most eight digits and a unit.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_timeout_is_read_in_every_unit() {
        let read = |text: &str| {
            grpc_timeout(&HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), text.parse().unwrap())]))
        };
        assert_eq!(read("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(read("3M"), Some(Duration::from_secs(180)));
        assert_eq!(read("4S"), Some(Duration::from_secs(4)));
        assert_eq!(read("5m"), Some(Duration::from_millis(5)));
        assert_eq!(read("6u"), Some(Duration::from_micros(6)));
        assert_eq!(read("7n"), Some(Duration::from_nanos(7)));
        for bad in ["", "S", "1", "-1S", "123456789S", "1x"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
