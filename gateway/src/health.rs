//! `/livez` and `/readyz` on the public listener, for load balancers.

use std::sync::Arc;

use axum::extract::State;

use crate::{problem::Problem, state::AppState};

/// The process runs.
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// The gateway accepts requests. Whether Order can be reached does not count: otherwise all gateways would
/// leave the load balancer's pool while Order is down, and clients would get no response at all.
pub(crate) async fn readyz(State(state): State<Arc<AppState>>) -> Result<&'static str, Problem> {
    match state.readiness.is_ready() {
        true => Ok("ready\n"),
        false => Err(Problem::not_started().with_detail("The gateway is not taking requests.")),
    }
}
