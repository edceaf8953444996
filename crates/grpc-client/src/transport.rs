//! The channel itself: what a generated client is given.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tokio::time::Instant;
use tonic::{Status, body::Body};
use tower::Service;

use crate::{
    Metrics, Observer, ServiceConfig, SystemResolver, Target,
    balancer::Balancer,
    body::Checked,
    call::Call,
    endpoints::{Endpoints, Making},
    resolve::Resolve,
    service_config::Policy,
    shared::{Refusals, Shared},
    target::Places,
    throttle::Throttle,
    tls::{ClientTls, Files, TlsError},
};

/// The deadline of a call that was given none, neither by its caller nor by the service config.
pub const DEADLINE_DEFAULT: Duration = Duration::from_secs(10);
/// How much earlier than its caller a callee is told to give up, so that its answer is there in time; half of what is left
/// where that is less.
pub const DEADLINE_MARGIN: Duration = Duration::from_millis(10);
/// Bytes of one answer's body.
pub const RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// When a call must have ended, by this process's clock. Put it into a request's extensions.
///
/// ```
/// # use std::time::Duration;
/// let mut request = tonic::Request::new(());
/// let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
/// request.extensions_mut().insert(grpc_client::Deadline(deadline));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

/// The transport of a generated client: a service that balances, retries and bounds calls to a [`Target`].
///
/// Clones share everything. Connections are made when they are first needed, and made anew after they were lost.
#[derive(Debug, Clone)]
pub struct Channel(Arc<Shared>);

/// A [`Channel`] that is being put together.
#[must_use = "it is no channel before it is built"]
pub struct Builder {
    target: Target,
    config: ServiceConfig,
    tls: Option<ClientTls>,
    metrics: Metrics,
    refusals: Option<Refusals>,
    observer: Option<Arc<dyn Observer>>,
    resolver: Arc<dyn Resolve>,
    response_bytes_max: usize,
}

impl Channel {
    /// A channel to `target`, with gRPC's default service config, in plain text unless the target says otherwise.
    pub fn builder(target: Target) -> Builder {
        Builder {
            target,
            config: ServiceConfig::default(),
            tls: None,
            metrics: Metrics::default(),
            refusals: None,
            observer: None,
            resolver: Arc::new(SystemResolver),
            response_bytes_max: RESPONSE_BYTES_MAX,
        }
    }
}

impl Builder {
    /// How calls are balanced, retried and bounded.
    pub fn service_config(mut self, config: ServiceConfig) -> Self {
        self.config = config;
        self
    }

    /// TLS wherever the target does not ask for plain text.
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Where attempts are counted.
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Tells which of a backend's own statuses promise that the call did nothing. The channel takes such an attempt as one
    /// that never ran: it is made anew at another endpoint, whether or not the method has a retry policy.
    pub fn refusals(mut self, is_refusal: impl Fn(&Status) -> bool + Send + Sync + 'static) -> Self {
        self.refusals = Some(Arc::new(is_refusal));
        self
    }

    /// Who is told of each call, and of its attempts.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Who is asked for the addresses of a `dns:` target, instead of the [`SystemResolver`].
    pub fn resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// Another bound on the bytes of an answer than [`RESPONSE_BYTES_MAX`].
    ///
    /// Generated clients have a bound of their own, of 4 MiB: raise it with `max_decoding_message_size`, so
    /// that this one decides and [`Failure::of`](crate::Failure::of) can tell it from other failures.
    pub fn response_bytes_max(mut self, bytes: usize) -> Self {
        self.response_bytes_max = bytes;
        self
    }

    /// The channel; nothing is connected yet. Must be called within a tokio runtime, whose tasks look after the endpoints.
    ///
    /// # Errors
    ///
    /// [`TlsError`] where the target asks for TLS, none was given, and the system has no certificates to trust.
    pub fn build(self) -> Result<Channel, TlsError> {
        let asks_for_tls = match &self.target.places {
            Places::Listed(places) => places.iter().any(|place| place.is_tls(false)),
            Places::Dns(place) => place.is_tls(false),
        };
        let given = self.tls.is_some();
        let tls = match self.tls {
            None if asks_for_tls => Some(ClientTls::load(Files::default())?),
            tls => tls,
        };
        let making = Making {
            target: self.target.to_string().into(),
            tls,
            tls_where_unsaid: given,
            metrics: self.metrics,
            health_service: self.config.health_service.as_str().into(),
        };
        Ok(Channel(Arc::new(Shared {
            endpoints: Endpoints::start(&self.target, making, self.resolver),
            balancer: Balancer::new(self.config.policy),
            throttle: Throttle::new(self.config.throttling),
            wants_reports: matches!(self.config.policy, Policy::LeastLoaded { reports: true, .. }),
            config: self.config,
            refusals: self.refusals,
            observer: self.observer,
            response_bytes_max: self.response_bytes_max,
        })))
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Checked>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // Waiting for a connection is part of a call, so that its deadline covers it.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = self.0.clone();
        Box::pin(async move { Call::new(shared, request).await?.run().await })
    }
}
