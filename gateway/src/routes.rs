//! The routes of the public listener.

use std::sync::Arc;

use axum::{
    Router,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::header;

use crate::{
    admission, docs, health, orders, paths,
    problem::{self, Problem},
    request_context::with_request_context,
    response_layers,
    state::AppState,
};

/// Every route of the public listener, with its middleware.
pub(crate) fn router(state: Arc<AppState>) -> Router {
    let routes = Router::new()
        .merge(orders(&state))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route(paths::OPENAPI_DOCUMENT, get(docs::document))
        .route(paths::DOCS, get(docs::page))
        .route("/docs/", get(|| docs::redirect("../docs")))
        .route("/docs/{file}", get(docs::asset))
        .route("/", get(docs::home))
        .route("/swagger-ui", get(|| docs::redirect("docs")))
        .route("/swagger-ui/", get(|| docs::redirect("../docs")))
        .merge(problem::pages::router())
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(async || Problem::not_found("Nothing exists at this address."));
    response_layers::apply(routes, state.cors.as_ref(), state.is_https())
        .layer(from_fn_with_state(state.clone(), with_request_context))
        .with_state(state)
}

/// The routes behind admission: rate limits, load shedding and authentication.
fn orders(state: &Arc<AppState>) -> Router<Arc<AppState>> {
    Router::new()
        .route(paths::ORDERS, post(orders::create).get(orders::list))
        .route(paths::ORDER, get(orders::get))
        .route_layer(from_fn_with_state(state.clone(), admission::idempotency_key))
}

/// 405 without `Allow`: the router adds the header, since it knows the methods of each route.
async fn method_not_allowed() -> Response {
    let mut response = Problem::method_not_allowed("").into_response();
    response.headers_mut().remove(header::ALLOW);
    response
}

#[cfg(test)]
pub(crate) mod tests;
