//! The state that every handler of one gateway shares.

use std::{sync::Arc, time::Duration};

use grpc_client::{Channel, tls::TlsError};
use http::HeaderValue;
use proto::order::order_client::OrderClient;
use service_kit::{admin::Readiness, metrics::Registry, trace::Tracer};
use tokio::sync::Semaphore;

use crate::{
    auth::Auth,
    config::{Config, PublicUrl},
    limits,
    load_limits::LoadLimits,
    metrics::Metrics,
    paths,
    pricing::UnitPrice,
    problem::ProblemContext,
    response_layers::cors,
};

/// The state that every handler of one gateway shares.
pub(crate) struct AppState {
    /// Cheap to clone, one clone per call: clones share the connections.
    pub(crate) orders: OrderClient<Channel>,
    pub(crate) public_url: Option<PublicUrl>,
    /// Upper bound of every request's deadline, counted from the request's arrival.
    pub(crate) request_timeout: Duration,
    pub(crate) unit_price: UnitPrice,
    pub(crate) readiness: Readiness,
    pub(crate) problem_context: ProblemContext,
    pub(crate) metrics: Metrics,
    pub(crate) auth: Auth,
    pub(crate) load_limits: LoadLimits,
    pub(crate) cors: Option<cors::Config>,
    /// Permits of requests that wait for an order to settle, [`limits::LONG_POLLS_MAX`] in all.
    pub(crate) long_polls: Semaphore,
    pub(crate) tracer: Tracer,
}

impl AppState {
    /// Registers the metrics of everything in it.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if Order is to be called by TLS and no trusted certificates are found.
    pub(crate) fn new(
        config: &Config,
        readiness: Readiness,
        tracer: Tracer,
        registry: &mut Registry,
    ) -> Result<Arc<Self>, TlsError> {
        let scheme = if config.public_tls.is_some() { "https" } else { "http" };
        // One value for all upstreams: each registration exports every metric once more.
        let call_metrics = grpc_client::Metrics::register(registry);
        let orders = config.order.channel(&config.tls, &call_metrics)?;
        Ok(Arc::new(Self {
            // The channel bounds responses itself, and distinguishes one that is too large from other
            // failures.
            orders: OrderClient::new(orders).max_decoding_message_size(usize::MAX),
            public_url: config.public_url.clone(),
            request_timeout: config.request_timeout,
            unit_price: config.unit_price,
            readiness,
            problem_context: ProblemContext::new(
                config.public_url.as_ref().map(PublicUrl::text).as_deref(),
                registry,
            ),
            metrics: Metrics::register(registry, scheme),
            auth: Auth::new(&config.auth),
            load_limits: LoadLimits::new(&config.load_limits, registry),
            cors: config.cors.clone(),
            long_polls: Semaphore::new(limits::LONG_POLLS_MAX),
            tracer,
        }))
    }

    /// Whether clients reach the gateway by TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.public_url.as_ref().is_some_and(PublicUrl::is_https)
    }

    /// The `Location` of an order.
    pub(crate) fn location(&self, order_id: i64) -> HeaderValue {
        let base = self.public_url.as_ref().map(PublicUrl::text).unwrap_or_default();
        // A URI and a number are always a valid header value.
        HeaderValue::try_from(format!("{base}{}/{order_id}", paths::ORDERS))
            .unwrap_or_else(|_| HeaderValue::from_static(paths::ORDERS))
    }
}
