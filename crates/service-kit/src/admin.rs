//! The operators' listener: `/livez`, `/readyz`, `/metrics`. Never reachable by the public.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::metrics::{Registry, text};

/// The condition that a service takes requests: it listens, and was not told to stop.
pub const ACCEPTING: &str = "accepting";

/// Whether a service should be sent requests, and if not, why.
///
/// Every named condition must hold. A clone speaks of the same service.
#[derive(Debug, Clone)]
pub struct Readiness {
    conditions: Arc<watch::Sender<BTreeMap<&'static str, bool>>>,
    waived: Arc<watch::Sender<BTreeSet<String>>>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self {
            conditions: Arc::new(watch::Sender::new(BTreeMap::new())),
            waived: Arc::new(watch::Sender::new(BTreeSet::new())),
        }
    }
}

impl Readiness {
    /// Records whether the condition `name` ("database", "accepting") holds.
    pub fn set(&self, name: &'static str, holds: bool) {
        self.conditions.send_if_modified(|conditions| conditions.insert(name, holds) != Some(holds));
    }

    /// Whether every condition holds.
    pub fn is_ready(&self) -> bool {
        self.conditions.borrow().values().all(|holds| *holds)
    }

    /// The conditions that do not hold.
    pub fn unmet(&self) -> Vec<&'static str> {
        self.conditions.borrow().iter().filter(|(_, holds)| !**holds).map(|(name, _)| *name).collect()
    }

    /// Records a demand that whoever runs the service has let it off ("sync_binlog"), for as long as it runs.
    /// Operators read it at `/readyz`, so that nobody takes the service for safer than it is.
    pub fn record_opt_out(&self, text: String) {
        self.waived.send_if_modified(|waived| waived.insert(text));
    }

    /// Told of every change of a condition.
    pub fn subscribe(&self) -> watch::Receiver<BTreeMap<&'static str, bool>> {
        self.conditions.subscribe()
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

/// `ready`, or `not ready: ` and the conditions that do not hold; then a line for each demand that was waived.
async fn readyz(State((readiness, _)): Shared) -> impl IntoResponse {
    let mut unmet = readiness.unmet();
    // One that has just opened its database does not listen yet.
    if unmet.is_empty() && !readiness.conditions.borrow().contains_key(ACCEPTING) {
        unmet.push(ACCEPTING);
    }
    let (status, mut page) = match unmet {
        unmet if unmet.is_empty() => (StatusCode::OK, "ready\n".to_owned()),
        unmet => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", unmet.join(", "))),
    };
    for text in readiness.waived.borrow().iter() {
        page.push_str(&format!("waived: {text}\n"));
    }
    (status, page)
}

async fn scrape(State((_, registry)): Shared, headers: HeaderMap) -> impl IntoResponse {
    let (format, page) = text::page(&registry, &headers);
    ([(header::CONTENT_TYPE, format)], page)
}
