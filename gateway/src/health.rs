//! `/livez` and `/readyz` for whoever sends the public's requests here, a load balancer for instance.

use std::sync::Arc;

use axum::extract::State;

use crate::{problem::Problem, state::AppState};

/// The process is there.
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// The gateway takes requests. Whether the Order service can be reached is no part of it: a gateway that
/// leaves its pool for that would turn one failing service into no answer at all.
pub(crate) async fn readyz(State(state): State<Arc<AppState>>) -> Result<&'static str, Problem> {
    match state.readiness.is_ready() {
        true => Ok("ready\n"),
        false => Err(Problem::not_started().with_detail("The gateway is not taking requests.")),
    }
}
