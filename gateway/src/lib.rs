//! The gateway: it translates between HTTP with JSON and the Order contract, and decides nothing.
//!
//! A request's way in: `server` (connections) → `routes` → `layers` (context, log, deadline, panics) →
//! `orders` (with `negotiation`, `body`, `json`, `key`) → the Order service. Its way back: an answer through
//! `orders`, or a failure through [`problem`]. [`openapi`] describes it all, `docs` shows it, and [`limits`]
//! bounds it.

use std::sync::Arc;

use chassis::{
    CancellationToken,
    admin::{Admin, Readiness},
    metrics::Registry,
    process::{BindError, DRAIN_MAX, Sockets, within_drain},
};

mod body;
pub mod config;
mod docs;
mod health;
mod json;
mod key;
mod layers;
pub mod limits;
mod metrics;
mod negotiation;
pub mod openapi;
mod orders;
pub mod problem;
mod routes;
mod server;

pub use config::{Config, PublicUrl};

/// Binds the sockets that `config` names, and serves.
///
/// # Errors
///
/// [`BindError`] where an address is taken or not ours.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), BindError> {
    let sockets = Sockets::bind(&config.process).await?;
    serve(config, sockets, shutdown).await
}

/// Serves until `shutdown` is cancelled and what was in flight is finished, or
/// [`DRAIN_MAX`] has passed.
///
/// # Errors
///
/// [`BindError`] where somebody else has come to listen on its address.
pub async fn serve(config: Config, sockets: Sockets, shutdown: CancellationToken) -> Result<(), BindError> {
    let address = sockets.service.local_addr();
    let listener = sockets.service.listen()?;
    let mut registry = Registry::default();
    let metrics = metrics::Metrics::register(&mut registry);
    let public_url = config.public_url.as_ref().map(PublicUrl::text);
    let site = problem::Site::new(public_url.as_deref(), &mut registry);
    let readiness = Readiness::default();
    let _admin = Admin::start(sockets.admin, readiness.clone(), Arc::new(registry));

    let shared = Arc::new(routes::Shared::new(&config, readiness.clone(), site, metrics));
    tracing::info!(%address, order = %config.order, "serving HTTP");
    let served = server::serve(listener, routes::router(shared), &readiness, &shutdown);
    if within_drain(served, &shutdown).await.is_none() {
        tracing::warn!("requests were still in flight after {DRAIN_MAX:?} of draining");
    }
    Ok(())
}
