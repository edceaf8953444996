//! Admission of requests to `/orders`, in this order:
//!
//! 1. the idempotency key of POST: every response has it, also a rejection by a later step;
//! 2. the rate limit of the client's address, then load shedding where every in-flight permit is taken;
//!    neither reads the body;
//! 3. authentication;
//! 4. the rate limit of the authenticated user.
//!
//! These steps are one middleware: axum boxes each one, and clones everything inside of it for every request.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::Method;

use crate::{
    key::{self, IDEMPOTENCY_KEY},
    panics::catch_panic,
    state::AppState,
};

/// The first step, and the middleware as a whole.
pub(crate) async fn idempotency_key(
    State(state): State<Arc<AppState>>,
    mut request: Request,
    next: Next,
) -> Response {
    if request.method() != Method::POST {
        return rate_limit(&state, request, next).await;
    }
    let key = key::effective(request.headers());
    let header = key.key.to_header();
    request.extensions_mut().insert(key);
    // The response to a panic has the key as well.
    let mut response = catch_panic(rate_limit(&state, request, next)).await;
    response.headers_mut().insert(IDEMPOTENCY_KEY, header);
    response
}

async fn rate_limit(state: &AppState, request: Request, next: Next) -> Response {
    let limits = &state.load_limits;
    let mut check = limits.check_address(&request);
    let rejection = check.rejection().or_else(|| limits.is_full().then(|| limits.shed()));
    let response = match rejection {
        Some(rejection) => rejection.into_response(),
        None => authenticate(state, request, next).await,
    };
    check.apply_headers(response)
}

async fn authenticate(state: &AppState, mut request: Request, next: Next) -> Response {
    if let Err(rejection) = state.auth.authenticate(&mut request).await {
        return rejection.into_response();
    }
    let mut check = state.load_limits.check_subject(&request);
    let response = match check.rejection() {
        Some(rejection) => rejection.into_response(),
        None => next.run(request).await,
    };
    check.apply_headers(response)
}
