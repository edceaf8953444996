//! The gateway: it translates between HTTP with JSON and the Order contract, and decides nothing.
//!
//! A request's way in: `server` (connections) → `routes` → `layers` (context, log, deadline, panics) →
//! [`face`] (CORS, compression, security headers) → `protection` and `auth` (for `/orders`) →
//! `orders` (with `negotiation`, `body`, `json`, `key`, `timeout`) → the Order service. Its way back: an answer through
//! `orders`, or a failure through [`problem`]. [`openapi`] describes it all, `docs` shows it, and [`limits`]
//! bounds it.

use std::sync::Arc;

use grpc_client::tls::TlsError;
use service_kit::{
    CancellationToken,
    admin::{Admin, Readiness},
    metrics::registry,
    process::{BindError, DRAIN_MAX, Sockets, within_drain},
    trace::{ExportError, Tracer},
};

mod admission;
pub mod auth;
mod body;
pub mod cli;
pub mod config;
mod docs;
mod door;
pub mod face;
#[cfg(fuzzing)]
pub mod fuzzing;
mod health;
mod json;
mod key;
mod layers;
pub mod limits;
mod metrics;
mod negotiation;
pub mod openapi;
mod orders;
mod paths;
mod prefer;
pub mod problem;
pub mod protection;
mod routes;
mod server;
mod timeout;

pub use config::{Config, PublicUrl};
use metrics::{Metrics, Scheme};

/// Why the gateway could not start, or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address is taken or not ours.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system's certificates are needed to call Order, and there are none.
    #[error("Order cannot be called by TLS: {0}")]
    Tls(#[from] TlsError),
    /// Traces were asked for, and cannot be exported.
    #[error(transparent)]
    Traces(#[from] ExportError),
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

/// Serves until `shutdown` is cancelled and what was in flight is finished, or
/// [`DRAIN_MAX`] has passed.
///
/// # Errors
///
/// [`ServeError`].
pub async fn serve(config: Config, sockets: Sockets, shutdown: CancellationToken) -> Result<(), ServeError> {
    let address = sockets.service.local_addr();
    let listener = sockets.service.listen()?;
    let mut registry = registry("gateway");
    let tracer = Tracer::start(&config.traces, &mut registry)?;
    let scheme = if config.protection.tls.is_some() { Scheme::Https } else { Scheme::Http };
    let metrics = Metrics::register(&mut registry, scheme);
    let public_url = config.public_url.as_ref().map(PublicUrl::text);
    let problem_context = problem::ProblemContext::new(public_url.as_deref(), &mut registry);
    let readiness = Readiness::default();
    config.tls.log_warnings(&readiness);
    config.auth.log_warnings(&readiness);
    let orders = config.order.channel(&config.tls, &mut registry)?;
    let connections = server::Connections::register(&mut registry);
    let protection = protection::Protection::new(&config.protection, &mut registry);
    let _admin = Admin::start(sockets.admin, readiness.clone(), Arc::new(registry));

    let shared = Arc::new(routes::Shared::new(
        &config,
        orders,
        readiness.clone(),
        problem_context,
        metrics,
        protection,
        tracer.clone(),
    ));
    let _following = shared.auth().follow(&readiness);
    tracing::info!(%address, order = %config.order.target, "serving {}", scheme.name().to_ascii_uppercase());
    let door = door::Door::new(shared);
    let served = server::serve(listener, door, &config.protection, connections, &readiness, &shutdown);
    if within_drain(served, &shutdown).await.is_none() {
        tracing::warn!("requests were still in flight after {DRAIN_MAX:?} of draining");
    }
    tracer.stop().await;
    Ok(())
}
