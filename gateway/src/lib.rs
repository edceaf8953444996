//! The gateway translates between HTTP with JSON and the gRPC contract of Order. It makes no decisions about
//! orders.
//!
//! A request passes `server` (connections), `service` (open requests, load shedding), `routes`,
//! `request_context` (trace ids, deadline, log line), `request_head` (host, target, transfer coding, method),
//! `response_layers` (CORS, compression, security headers), `admission` (`load_limits` and `auth`, for
//! `/orders` only) and `orders` (with `negotiation`, `body`, `json`, `key` and `timeout`), which calls Order.
//! Failures become responses in [`problem`]. [`openapi`] describes the API, `docs` serves it, and [`limits`]
//! lists every bound.

use std::sync::Arc;

use grpc_client::tls::TlsError;
use service_kit::{
    CancellationToken,
    admin::{Admin, Readiness},
    metrics::registry,
    process::{BindError, DRAIN_MAX, Sockets, within_drain},
    tls,
    trace::Tracer,
};

mod admission;
pub mod auth;
mod body;
pub mod cli;
mod conditional;
pub mod config;
mod docs;
mod field_list;
#[cfg(fuzzing)]
pub mod fuzzing;
mod header_names;
mod health;
mod json;
mod key;
pub mod limits;
pub mod load_limits;
mod metrics;
mod negotiation;
pub mod openapi;
mod orders;
mod panics;
mod paths;
mod prefer;
mod pricing;
pub mod problem;
mod public_tls;
mod request_context;
mod request_head;
pub mod response_layers;
mod routes;
mod server;
mod service;
mod state;
mod timeout;

pub use config::{Config, PublicUrl};
use server::{ConnectionLimiter, ConnectionMetrics};
use service::GatewayService;
use state::AppState;

/// Why the gateway stopped, or could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address is in use or not one of this host.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Order is to be called by TLS, and no trusted certificates were found.
    #[error("cannot call Order by TLS: {0}")]
    Tls(#[from] TlsError),
}

/// Binds the sockets that `config` names, and serves.
///
/// # Errors
///
/// [`ServeError`].
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), ServeError> {
    let sockets = Sockets::bind(&config.process).await?;
    serve(config, sockets, shutdown).await
}

/// Serves until `shutdown` is cancelled and every request in flight has its response, or [`DRAIN_MAX`] has
/// passed.
///
/// # Errors
///
/// [`ServeError`].
pub async fn serve(config: Config, sockets: Sockets, shutdown: CancellationToken) -> Result<(), ServeError> {
    let address = sockets.service.local_addr();
    let listener = sockets.service.listen()?;
    let mut registry = registry("gateway");
    let tracer = Tracer::start(&config.traces, &mut registry);
    let readiness = Readiness::default();
    config.tls.log_warnings(&readiness);
    tls::register_certificates(&mut registry, &config.tls, config.public_tls.as_ref());
    config.auth.log_warnings(&readiness);
    let state = AppState::new(&config, readiness.clone(), tracer.clone(), &mut registry)?;
    let limiter = ConnectionLimiter::new(&config.load_limits, ConnectionMetrics::register(&mut registry));
    let _admin = Admin::start(sockets.admin, readiness.clone(), Arc::new(registry));

    let _refreshing = state.auth.refresh_keys(&readiness);
    let protocol = if config.public_tls.is_some() { "HTTPS" } else { "HTTP" };
    tracing::info!(%address, order = %config.order.target, "serving {protocol}");
    let gateway = GatewayService::new(state);
    let connections = limiter.clone();
    let served = server::serve(
        listener,
        gateway,
        config.public_tls,
        &config.load_limits,
        limiter,
        &readiness,
        &shutdown,
    );
    if within_drain(served, &shutdown).await.is_none() {
        let connections = connections.open();
        tracing::warn!(connections, "requests were still in flight after {DRAIN_MAX:?} of draining");
    }
    tracer.stop().await;
    Ok(())
}
