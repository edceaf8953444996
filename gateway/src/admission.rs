//! What a request to `/orders` passes before its handler, in this order:
//!
//! 1. the idempotency key of an order being placed, which every answer to it has, whoever answers;
//! 2. the rate limit of the client's address, before anybody knows who asks; and where the requests in flight are as many
//!    as may be, the refusal at once, without a look at the body;
//! 3. authentication;
//! 4. the rate limit of the subject.
//!
//! It is one layer: axum boxes each, and each clones all that is within it for every request.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::Method;

use crate::{
    key::{self, IDEMPOTENCY_KEY},
    layers::caught,
    routes::Shared,
};

/// The layer.
pub(crate) async fn admitted(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    if request.method() != Method::POST {
        return limited(&shared, request, next).await;
    }
    let key = key::effective(request.headers());
    let header = key.key.to_header();
    request.extensions_mut().insert(key);
    // Also the answer to a request that made its handler panic has the key.
    let mut response = caught(limited(&shared, request, next)).await;
    response.headers_mut().insert(IDEMPOTENCY_KEY, header);
    response
}

async fn limited(shared: &Shared, request: Request, next: Next) -> Response {
    let protection = shared.protection();
    let mut checked = protection.by_address(&request);
    let refusal = checked.refusal().or_else(|| protection.is_full().then(|| protection.shed()));
    let response = match refusal {
        Some(refusal) => refusal.into_response(),
        None => known(shared, request, next).await,
    };
    checked.told(response)
}

async fn known(shared: &Shared, mut request: Request, next: Next) -> Response {
    if let Err(refusal) = shared.auth().admit(&mut request).await {
        return refusal.into_response();
    }
    let mut checked = shared.protection().by_subject(&request);
    let response = match checked.refusal() {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    checked.told(response)
}
