//! The gateway as its listener knows it: the routes, and before them the refusal of what there is no place for.
//!
//! `admission` would refuse it too, and does where the last place is taken in between. But by then a request has passed the
//! router and every layer before its handler, and what a refusal costs decides how many orders an overloaded machine still
//! places.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
};

use axum::{
    BoxError, Router,
    body::{Body, HttpBody},
    response::Response,
};
use http::{HeaderValue, Method, Request};
use service_kit::trace::{self, SpanKind};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn, util::ServiceFn};
use tower_http::cors::Cors;
use tracing::{Instrument, Span, level_filters::LevelFilter};

use crate::{
    body::leftover::{self, Discarded},
    face,
    key::{self, IDEMPOTENCY_KEY},
    metrics::Visit,
    paths::{ORDER, ORDERS},
    problem::PrerenderedProblem,
    protection,
    routes::{self, Shared},
};

/// One gateway; clones are the same.
#[derive(Clone)]
pub(crate) struct Door(Arc<Inner>);

struct Inner {
    routes: Router,
    /// `None` where nothing is refused.
    refusals: Option<Refusals>,
}

impl Door {
    /// The gateway whose handlers share `shared`.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let (routes, refusals) = (routes::router(shared.clone()), Some(Refusals::new(shared)));
        Self(Arc::new(Inner { routes, refusals }))
    }

    /// The answer to a request.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response
    where
        B: Discarded + HttpBody<Error: Into<BoxError>> + Send + 'static,
    {
        let Inner { routes, refusals } = &*self.0;
        if let Some(refusals) = refusals
            && let Some(route) = refusals.route_of(&request)
        {
            // Whatever is answered otherwise is not to carry it about.
            return Box::pin(refusals.answer(request, route)).await;
        }
        let Ok(response) = routes.clone().call(request.map(Body::new)).await;
        response
    }
}

/// Routes alone, of which nothing is refused.
#[cfg(test)]
impl From<Router> for Door {
    fn from(routes: Router) -> Self {
        Self(Arc::new(Inner { routes, refusals: None }))
    }
}

/// What refuses.
struct Refusals {
    shared: Arc<Shared>,
    full: PrerenderedProblem,
    cors: Option<Cors<Take>>,
    orders: Arc<str>,
    order: Arc<str>,
}

/// A request whose body is the answer to it.
type Refused = Request<Response>;
/// Takes the answer out of it.
type Take = ServiceFn<fn(Refused) -> Ready<Result<Response, Infallible>>>;

impl Refusals {
    fn new(shared: Arc<Shared>) -> Self {
        let mut full = PrerenderedProblem::new(protection::full(), shared.problem_context());
        face::headers::complete(full.headers_mut(), shared.is_https());
        // In the place of a request's own: there is room for them then.
        full.headers_mut().insert(trace::REQUEST_ID, HeaderValue::from_static(""));
        full.headers_mut().insert(IDEMPOTENCY_KEY, HeaderValue::from_static(""));
        let cors = shared.face().cors.as_ref().map(|cors| {
            cors.layer().layer(service_fn((|refused: Refused| ready(Ok(refused.into_body()))) as fn(_) -> _))
        });
        Self { shared, full, cors, orders: ORDERS.into(), order: ORDER.into() }
    }

    /// The route of a request that needs a place, where none is left.
    fn route_of<B>(&self, request: &Request<B>) -> Option<Arc<str>> {
        if !self.shared.protection().is_full() {
            return None;
        }
        let (method, path) = (request.method(), request.uri().path());
        let rest = path.strip_prefix(ORDERS)?;
        if rest.is_empty() && (method == Method::POST || method == Method::GET) {
            return Some(self.orders.clone());
        }
        let id = rest.strip_prefix('/').filter(|id| !id.is_empty() && !id.contains('/'));
        id.filter(|_| method == Method::GET).map(|_| self.order.clone())
    }

    /// What `layers` and `admission` would answer, counted and logged as they would.
    async fn answer<B: Discarded>(&self, request: Request<B>, route: Arc<str>) -> Response {
        let arrived = Instant::now();
        let (head, body) = request.into_parts();
        let head = Request::from_parts(head, ());
        let context = trace::Context::entering(self.shared.tracer(), head.headers());
        // There is one line at most for it to stand around.
        let lines = match LevelFilter::current() >= LevelFilter::INFO {
            true => context.span(&route),
            false => Span::none(),
        };
        let span = context.record(SpanKind::Server, "HTTP");
        let answered = async {
            let visit = Visit::begin(self.shared.metrics(), span, &head, Some(route), arrived);
            let mut response = self.refuse(&head, &context);
            leftover::finish(&head, body, &mut response).await;
            if let Some(cors) = &self.cors {
                let Ok(dressed) = cors.clone().oneshot(head.map(|()| response)).await;
                response = dressed;
            }
            visit.end(response.status());
            response
        };
        answered.instrument(lines).await
    }

    fn refuse(&self, head: &Request<()>, context: &trace::Context) -> Response {
        let (protection, site) = (self.shared.protection(), self.shared.problem_context());
        let mut checked = protection.by_address(head);
        let mut response = match checked.refusal() {
            Some(limited) => {
                let mut response = limited.answer(site, context);
                face::headers::complete(response.headers_mut(), self.shared.is_https());
                response
            }
            None => {
                protection.count_shed();
                self.full.answer(site, context)
            }
        };
        let headers = response.headers_mut();
        headers.insert(trace::REQUEST_ID, trace::request_id_value(context.request_id));
        match *head.method() {
            Method::POST => headers.insert(IDEMPOTENCY_KEY, key::effective(head.headers()).key.to_header()),
            _ => headers.remove(IDEMPOTENCY_KEY),
        };
        // It is shorter than what is compressed.
        checked.told(response)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use axum::body::Bytes;
    use http::{HeaderMap, StatusCode, header};
    use http_body_util::BodyExt;

    use super::*;
    use crate::{
        protection::{self, Peer},
        routes::tests::{ORDER, shared_in},
    };

    const ID: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn shared() -> Arc<Shared> {
        let vars = [("REQUESTS_IN_FLIGHT_MAX", "1"), ("RATE_LIMIT_PER_ADDRESS", "1/60")];
        let cors = face::cors::Config { origins: "https://shop.example".parse().unwrap(), credentials: true };
        shared_in(protection::Config::of(&vars), face::Config { cors: Some(cors) })
    }

    /// Status, headers and body.
    async fn told(response: Response) -> (StatusCode, HeaderMap, Bytes) {
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
    }

    fn request(method: Method, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
        let request =
            Request::builder().method(method).uri(path).extension(Peer(IpAddr::from([192, 0, 2, 1])));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.header("x-request-id", ID).header("traceparent", PARENT).body(Body::from(ORDER)).unwrap()
    }

    #[tokio::test]
    async fn what_is_refused_at_once_is_refused_as_by_the_layers() {
        for (method, path, headers) in [
            (Method::POST, "/orders?x=1", &[("idempotency-key", "k"), ("accept-encoding", "gzip")][..]),
            (
                Method::POST,
                "/orders",
                &[("idempotency-key", "\"\\\"k\""), ("origin", "https://shop.example")],
            ),
            (Method::GET, "/orders", &[("origin", "https://other.example")]),
            (Method::GET, "/orders/seven", &[]),
        ] {
            // Each has its own: the second answer is that of an address that has had its share.
            let (one, other) = (shared(), shared());
            let _places = [one.protection().enter().unwrap(), other.protection().enter().unwrap()];
            let (door, router) = (Door::new(one), routes::router(other));
            for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS] {
                let asked = || request(method.clone(), path, headers);
                assert!(door.0.refusals.as_ref().unwrap().route_of(&asked()).is_some(), "{path}");
                let at_once = told(door.answer(asked()).await).await;
                assert_eq!(at_once.0, status, "{path}");
                let mut by_layers = told(router.clone().oneshot(asked()).await.unwrap()).await;
                // The router's own; else the connection adds it.
                by_layers.1.remove(header::CONTENT_LENGTH);
                assert_eq!(at_once, by_layers, "{path}");
            }
        }
    }

    #[tokio::test]
    async fn what_needs_no_place_is_not_refused() {
        let shared = shared();
        let door = Door::new(shared.clone());
        let asked = |method, path| request(method, path, &[]);
        let refusals = door.0.refusals.as_ref().unwrap();
        assert!(refusals.route_of(&asked(Method::POST, "/orders")).is_none());
        let _place = shared.protection().enter().unwrap();
        assert!(refusals.route_of(&asked(Method::POST, "/orders")).is_some());
        for (method, path, status) in [
            (Method::PUT, "/orders", StatusCode::METHOD_NOT_ALLOWED),
            (Method::POST, "/orders/7", StatusCode::METHOD_NOT_ALLOWED),
            (Method::GET, "/orders/", StatusCode::NOT_FOUND),
            (Method::GET, "/orders/7/items", StatusCode::NOT_FOUND),
            (Method::GET, "/ordersx", StatusCode::NOT_FOUND),
            (Method::GET, "/livez", StatusCode::OK),
        ] {
            assert_eq!(door.answer(asked(method, path)).await.status(), status, "{path}");
        }
    }
}
