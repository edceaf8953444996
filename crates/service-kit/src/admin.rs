//! The admin listener for operators: `/livez`, `/readyz`, `/metrics`. The public must not reach it.

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

/// The condition that a service accepts requests: it listens, and is not shutting down.
pub const ACCEPTING: &str = "accepting";

/// The readiness of a service for requests: all named conditions must hold. Clones share the state.
#[derive(Debug, Clone)]
pub struct Readiness {
    conditions: Arc<watch::Sender<BTreeMap<&'static str, bool>>>,
    /// Why conditions do not hold, for those with a known reason.
    reasons: Arc<watch::Sender<BTreeMap<&'static str, &'static str>>>,
    opt_outs: Arc<watch::Sender<BTreeSet<String>>>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self {
            conditions: Arc::new(watch::Sender::new(BTreeMap::new())),
            reasons: Arc::new(watch::Sender::new(BTreeMap::new())),
            opt_outs: Arc::new(watch::Sender::new(BTreeSet::new())),
        }
    }
}

impl Readiness {
    /// Records whether the condition `name` ("database", "accepting") holds.
    pub fn set(&self, name: &'static str, holds: bool) {
        self.reasons.send_if_modified(|reasons| reasons.remove(name).is_some());
        self.conditions.send_if_modified(|conditions| conditions.insert(name, holds) != Some(holds));
    }

    /// Records that the condition `name` does not hold because of `reason`, which `/readyz` shows.
    pub fn fail(&self, name: &'static str, reason: &'static str) {
        self.reasons.send_modify(|reasons| {
            reasons.insert(name, reason);
        });
        self.conditions.send_if_modified(|conditions| conditions.insert(name, false) != Some(false));
    }

    /// Whether every condition holds.
    pub fn is_ready(&self) -> bool {
        self.conditions.borrow().values().all(|holds| *holds)
    }

    /// The conditions that do not hold.
    pub fn unmet(&self) -> Vec<&'static str> {
        self.conditions.borrow().iter().filter(|(_, holds)| !**holds).map(|(name, _)| *name).collect()
    }

    /// As [`unmet`](Self::unmet), each with its reason in parentheses if that is known.
    pub fn unmet_with_reasons(&self) -> Vec<String> {
        let reasons = self.reasons.borrow();
        let described = |name: &str| match reasons.get(name) {
            Some(reason) => format!("{name} ({reason})"),
            None => name.to_owned(),
        };
        self.unmet().into_iter().map(described).collect()
    }

    /// Records a safety setting that the operator has opted out of ("sync_binlog"). `/readyz` lists it while
    /// the process runs.
    pub fn record_opt_out(&self, text: String) {
        self.opt_outs.send_if_modified(|opt_outs| opt_outs.insert(text));
    }

    /// A receiver of every change of a condition.
    pub fn subscribe(&self) -> watch::Receiver<BTreeMap<&'static str, bool>> {
        self.conditions.subscribe()
    }
}

/// The admin listener of one service. Dropping it stops it.
#[derive(Debug)]
pub struct Admin(JoinHandle<()>);

impl Admin {
    /// Serves `listener` until the returned value is dropped. It outlives the service, so that operators can
    /// watch it drain.
    pub fn start(listener: TcpListener, readiness: Readiness, registry: Arc<Registry>) -> Self {
        let router = Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(scrape))
            .with_state((readiness, registry));
        Self(tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "admin listener failed");
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

/// `ready`, or `not ready: ` and the conditions that do not hold, with their reasons; then one line per
/// opt-out.
async fn readyz(State((readiness, _)): Shared) -> impl IntoResponse {
    let mut unmet = readiness.unmet_with_reasons();
    // A service that has just opened its database does not listen yet.
    if unmet.is_empty() && !readiness.conditions.borrow().contains_key(ACCEPTING) {
        unmet.push(ACCEPTING.to_owned());
    }
    let (status, mut page) = match unmet {
        unmet if unmet.is_empty() => (StatusCode::OK, "ready\n".to_owned()),
        unmet => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", unmet.join(", "))),
    };
    for text in readiness.opt_outs.borrow().iter() {
        page.push_str(&format!("waived: {text}\n"));
    }
    (status, page)
}

async fn scrape(State((_, registry)): Shared, headers: HeaderMap) -> impl IntoResponse {
    let (format, page) = text::page(&registry, &headers);
    ([(header::CONTENT_TYPE, format)], page)
}
