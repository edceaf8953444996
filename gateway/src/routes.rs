//! The table of routes, and what the handlers share.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use grpc_client::Channel;
use http::{HeaderValue, header};
use proto::order::order_client::OrderClient;
use service_kit::{admin::Readiness, trace::Tracer};
use tokio::sync::Semaphore;

use crate::{
    admission::admitted,
    auth::Auth,
    config::{Config, PublicUrl, UnitPrice},
    docs, face, health,
    layers::pass,
    limits,
    metrics::Metrics,
    orders, paths,
    problem::{self, Problem, ProblemContext},
    protection::Protection,
};

/// What the handlers of one gateway share.
pub(crate) struct Shared {
    orders: OrderClient<Channel>,
    public_url: Option<PublicUrl>,
    request_timeout: Duration,
    unit_price: UnitPrice,
    readiness: Readiness,
    problem_context: ProblemContext,
    metrics: Metrics,
    auth: Auth,
    protection: Protection,
    face: face::Config,
    long_polls: Semaphore,
    tracer: Tracer,
}

impl Shared {
    pub(crate) fn new(
        config: &Config,
        orders: Channel,
        readiness: Readiness,
        problem_context: ProblemContext,
        metrics: Metrics,
        protection: Protection,
        tracer: Tracer,
    ) -> Self {
        Self {
            // The channel bounds answers itself, and tells one that is too long from other failures.
            orders: OrderClient::new(orders).max_decoding_message_size(usize::MAX),
            public_url: config.public_url.clone(),
            request_timeout: config.request_timeout,
            unit_price: config.unit_price,
            readiness,
            problem_context,
            metrics,
            auth: Auth::new(&config.auth),
            protection,
            face: config.face.clone(),
            long_polls: Semaphore::new(limits::WAITING_MAX),
            tracer,
        }
    }

    /// A client of its own for one call; all share the connections.
    pub(crate) fn orders(&self) -> OrderClient<Channel> {
        self.orders.clone()
    }

    /// How long after its arrival a request must be answered.
    pub(crate) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// Whether an order names the price of each item.
    pub(crate) fn unit_price(&self) -> UnitPrice {
        self.unit_price
    }

    pub(crate) fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    pub(crate) fn problem_context(&self) -> &ProblemContext {
        &self.problem_context
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn auth(&self) -> &Auth {
        &self.auth
    }

    pub(crate) fn protection(&self) -> &Protection {
        &self.protection
    }

    /// How it meets browsers.
    pub(crate) fn face(&self) -> &face::Config {
        &self.face
    }

    /// Whether the public comes by TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.public_url.as_ref().is_some_and(PublicUrl::is_https)
    }

    /// Permits of requests that wait for an order to settle, [`limits::WAITING_MAX`] in all.
    pub(crate) fn long_polls(&self) -> &Semaphore {
        &self.long_polls
    }

    pub(crate) fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// The `Location` of an order.
    pub(crate) fn location(&self, order_id: i64) -> HeaderValue {
        let location = match &self.public_url {
            Some(url) => HeaderValue::try_from(format!("{url}/orders/{order_id}")),
            None => HeaderValue::try_from(format!("/orders/{order_id}")),
        };
        // A URI and a number are a header's value always.
        location.unwrap_or_else(|_| HeaderValue::from_static("/orders"))
    }
}

/// Every route of the public listener.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let routes = Router::new()
        .merge(orders(&shared))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route(paths::OPENAPI_DOCUMENT, get(docs::document))
        .route(paths::DOCS, get(docs::page))
        .route("/docs/", get(docs::page))
        .route("/docs/{file}", get(docs::asset))
        .route("/", get(docs::redirect_to_page))
        .route("/swagger-ui", get(docs::redirect_to_page))
        .route("/swagger-ui/", get(docs::redirect_to_page))
        .merge(problem::pages::router())
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(async || Problem::not_found("There is nothing at this address."));
    face::dressed(routes, &shared.face, shared.is_https())
        .layer(from_fn_with_state(shared.clone(), pass))
        .with_state(shared)
}

/// What needs a token, where the operator wants one.
fn orders(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route(paths::ORDERS, post(orders::create).get(orders::list))
        .route(paths::ORDER, get(orders::get))
        .route_layer(from_fn_with_state(shared.clone(), admitted))
}

/// `Allow` is left to the router, which knows the methods of each route and adds what is not there.
async fn method_not_allowed() -> Response {
    let mut response = Problem::method_not_allowed("").into_response();
    response.headers_mut().remove(header::ALLOW);
    response
}

#[cfg(test)]
pub(crate) mod tests;
