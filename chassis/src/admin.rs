//! The operators' listener: `/livez`, `/readyz`, `/metrics`. Never reachable by the public.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, extract::State, http::StatusCode, http::header, response::IntoResponse, routing::get};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::metrics::{self, Registry};

/// Whether a service should be sent requests, and if not, why.
///
/// Every named condition must hold. A clone speaks of the same service.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<watch::Sender<BTreeMap<&'static str, bool>>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(BTreeMap::new())))
    }
}

impl Readiness {
    /// Records whether the condition `name` ("database", "accepting") holds.
    pub fn set(&self, name: &'static str, holds: bool) {
        self.0.send_if_modified(|conditions| conditions.insert(name, holds) != Some(holds));
    }

    /// Whether every condition holds.
    pub fn is_ready(&self) -> bool {
        self.0.borrow().values().all(|holds| *holds)
    }

    /// The conditions that do not hold.
    pub fn unmet(&self) -> Vec<&'static str> {
        self.0.borrow().iter().filter(|(_, holds)| !**holds).map(|(name, _)| *name).collect()
    }

    /// Told of every change.
    pub fn subscribe(&self) -> watch::Receiver<BTreeMap<&'static str, bool>> {
        self.0.subscribe()
    }
}

/// The admin listener of one service; stops when dropped.
#[derive(Debug)]
pub struct Admin(JoinHandle<()>);

impl Admin {
    /// Serves `listener` until the value returned is dropped: longer than the service itself, so that
    /// operators can watch it drain.
    pub fn start(listener: TcpListener, readiness: Readiness, registry: Arc<Registry>) -> Self {
        let router = Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(scrape))
            .with_state((readiness, registry));
        Self(tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the admin listener ended");
            }
        }))
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.0.abort();
    }
}

type Shared = State<(Readiness, Arc<Registry>)>;

async fn readyz(State((readiness, _)): Shared) -> impl IntoResponse {
    match readiness.unmet() {
        unmet if unmet.is_empty() => (StatusCode::OK, "ready\n".to_owned()),
        unmet => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", unmet.join(", "))),
    }
}

async fn scrape(State((_, registry)): Shared) -> impl IntoResponse {
    let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, format)], metrics::render(&registry))
}
