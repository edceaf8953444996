//! The gateway as a service: the routes, and load shedding in front of them.
//!
//! Load is shed before routing, since the cost of a rejection decides how many orders an overloaded machine
//! still places. `admission` checks again whether an in-flight permit is left: the last one may have been
//! taken in the meantime.

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
use http::{HeaderValue, Method, Request, StatusCode, header};
use service_kit::trace::{self, SpanKind};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn, util::ServiceFn};
use tower_http::cors::Cors;
use tracing::{Instrument, Span, level_filters::LevelFilter};

use crate::{
    body::unread::{self, DrainBody},
    key::{self, IDEMPOTENCY_KEY},
    load_limits::{self, OpenRequest},
    metrics::{RequestRecord, UNKNOWN_ROUTE},
    paths::{ORDER, ORDERS},
    problem::PrerenderedProblem,
    request_head,
    response_layers::security_headers,
    routes,
    state::AppState,
};

/// The HTTP service of one gateway. Cheap to clone: clones share routes and state.
#[derive(Clone)]
pub(crate) struct GatewayService(Arc<Inner>);

struct Inner {
    routes: Router,
    /// `None` in tests of the server, which bring their own routes.
    load_shed: Option<LoadShed>,
}

impl GatewayService {
    pub(crate) fn new(state: Arc<AppState>) -> Self {
        let (routes, load_shed) = (routes::router(state.clone()), Some(LoadShed::new(state)));
        Self(Arc::new(Inner { routes, load_shed }))
    }

    /// Returns the response to a request.
    pub(crate) async fn call<B>(&self, mut request: Request<B>) -> Response
    where
        B: DrainBody + HttpBody<Error: Into<BoxError>>,
    {
        let Inner { routes, load_shed } = &*self.0;
        request_head::normalize_path(&mut request);
        // Held until the response is there.
        let _open = match load_shed {
            Some(load_shed) => match load_shed.admit(&request) {
                Ok(open) => Some(open),
                // Boxed, so that this rare future does not enlarge the future of every request.
                Err(Overload { route }) => return Box::pin(load_shed.reject(request, route)).await,
            },
            None => None,
        };
        let Ok(mut response) = routes.clone().call(request.map(Body::new)).await;
        if response.status() == StatusCode::NOT_MODIFIED {
            // The router adds it to an empty response to HEAD, where it would be that of the 200 (RFC 9110,
            // section 8.6).
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        response
    }
}

/// Routes without load shedding.
#[cfg(test)]
impl From<Router> for GatewayService {
    fn from(routes: Router) -> Self {
        Self(Arc::new(Inner { routes, load_shed: None }))
    }
}

/// Rejects requests while too many are open, and requests to `/orders` while every in-flight permit is taken.
struct LoadShed {
    state: Arc<AppState>,
    overloaded: PrerenderedProblem,
    cors: Option<Cors<TakeResponse>>,
    orders_route: Arc<str>,
    order_route: Arc<str>,
}

/// A request is to be rejected.
struct Overload {
    /// `None` if the request has no route that needs a permit.
    route: Option<Arc<str>>,
}

/// A request that carries its response as its body, so that the CORS layer can run over both.
type Rejected = Request<Response>;
/// Takes the response out of a [`Rejected`].
type TakeResponse = ServiceFn<fn(Rejected) -> Ready<Result<Response, Infallible>>>;

impl LoadShed {
    fn new(state: Arc<AppState>) -> Self {
        let mut overloaded = PrerenderedProblem::new(load_limits::overloaded(), &state.problem_context);
        security_headers::insert(overloaded.headers_mut(), state.is_https());
        // A placeholder, so that the header map has capacity for the value of each request.
        overloaded.headers_mut().insert(trace::REQUEST_ID, HeaderValue::from_static(""));
        let cors = state.cors.as_ref().map(|cors| {
            let take = |rejected: Rejected| ready(Ok(rejected.into_body()));
            cors.layer().layer(service_fn(take as fn(_) -> _))
        });
        Self { state, overloaded, cors, orders_route: ORDERS.into(), order_route: ORDER.into() }
    }

    /// Counts an open request.
    fn admit<B>(&self, request: &Request<B>) -> Result<OpenRequest<'_>, Overload> {
        let limits = &self.state.load_limits;
        if let Some(route) = self.route_with_permit(request).filter(|_| limits.is_full()) {
            return Err(Overload { route: Some(route.clone()) });
        }
        let route = || self.route_with_permit(request).cloned();
        limits.try_open(request).ok_or_else(|| Overload { route: route() })
    }

    /// The route of a request that needs an in-flight permit.
    fn route_with_permit<B>(&self, request: &Request<B>) -> Option<&Arc<str>> {
        let (method, path) = (request.method(), request.uri().path());
        let rest = path.strip_prefix(ORDERS)?;
        if rest.is_empty() && (method == Method::POST || method == Method::GET) {
            return Some(&self.orders_route);
        }
        let id = rest.strip_prefix('/').filter(|id| !id.is_empty() && !id.contains('/'));
        id.filter(|_| method == Method::GET).map(|_| &self.order_route)
    }

    /// Returns the same response as `request_context` and `admission`, with the same metrics and log line.
    async fn reject<B: DrainBody>(&self, request: Request<B>, route: Option<Arc<str>>) -> Response {
        let arrived = Instant::now();
        let (head, body) = request.into_parts();
        let head = Request::from_parts(head, ());
        let context = trace::Context::entering(&self.state.tracer, head.headers());
        // The only log line within the span is that of the request record, at INFO.
        let log_span = match LevelFilter::current() >= LevelFilter::INFO {
            true => context.span(route.as_deref().unwrap_or(UNKNOWN_ROUTE)),
            false => Span::none(),
        };
        let span = context.record(SpanKind::Server, "HTTP");
        let rejected = async {
            let mut response = match route {
                Some(_) => self.response_with_permit(&head, &context),
                None => self.overloaded(&context),
            };
            let record = RequestRecord::begin(&self.state.metrics, span, &head, route, arrived);
            response.headers_mut().insert(trace::REQUEST_ID, trace::request_id_value(context.request_id));
            unread::finish(&head, body, &mut response);
            if let Some(cors) = &self.cors {
                let Ok(with_cors) = cors.clone().oneshot(head.map(|()| response)).await;
                response = with_cors;
            }
            record.end(response.status());
            response
        };
        rejected.instrument(log_span).await
    }

    /// The rejection by a route that needs an in-flight permit: by the rate limit, or because of the overload.
    fn response_with_permit(&self, head: &Request<()>, context: &trace::Context) -> Response {
        let AppState { load_limits, problem_context, .. } = &*self.state;
        let mut check = load_limits.check_address(head);
        let mut response = match check.rejection() {
            Some(rate_limited) => {
                let mut response = rate_limited.respond(problem_context, context);
                security_headers::insert(response.headers_mut(), self.state.is_https());
                response
            }
            None => self.overloaded(context),
        };
        if *head.method() == Method::POST {
            let key = key::effective(head.headers()).key.to_header();
            response.headers_mut().insert(IDEMPOTENCY_KEY, key);
        }
        check.apply_headers(response)
    }

    /// The rejection because of the overload; counts it. It is not compressed: its body is shorter than the
    /// threshold.
    fn overloaded(&self, context: &trace::Context) -> Response {
        self.state.load_limits.count_shed();
        self.overloaded.respond(&self.state.problem_context, context)
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
        load_limits::PeerAddress,
        response_layers::cors,
        routes::tests::{ORDER, state_with},
    };

    const ID: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn state() -> Arc<AppState> {
        let vars = [("REQUESTS_IN_FLIGHT_MAX", "1"), ("RATE_LIMIT_PER_ADDRESS", "1/60")];
        let cors = cors::Config { origins: "https://shop.example".parse().unwrap(), credentials: true };
        state_with(load_limits::Config::of(&vars), Some(cors))
    }

    async fn collect(response: Response) -> (StatusCode, HeaderMap, Bytes) {
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
    }

    fn request(method: Method, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
        let request =
            Request::builder().method(method).uri(path).extension(PeerAddress(IpAddr::from([192, 0, 2, 1])));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.header("host", "shop.example").header("x-request-id", ID);
        request.header("traceparent", PARENT).body(Body::from(ORDER)).unwrap()
    }

    #[tokio::test]
    async fn early_shed_response_equals_layered_response() {
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
            // Two states, since the second request to each exceeds the rate limit of its address.
            let (one, other) = (state(), state());
            let _permits = [one.load_limits.try_acquire().unwrap(), other.load_limits.try_acquire().unwrap()];
            let (gateway, router) = (GatewayService::new(one.clone()), routes::router(other.clone()));
            for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS] {
                let request = || request(method.clone(), path, headers);
                assert!(gateway.0.load_shed.as_ref().unwrap().admit(&request()).is_err(), "{path}");
                let early = collect(gateway.call(request()).await).await;
                assert_eq!(early.0, status, "{path}");
                let mut layered = collect(router.clone().oneshot(request()).await.unwrap()).await;
                // The router inserts this header; for the early response the connection does.
                layered.1.remove(header::CONTENT_LENGTH);
                assert_eq!(early, layered, "{path}");
            }
        }
    }

    #[tokio::test]
    async fn only_requests_that_need_a_permit_are_shed() {
        let state = state();
        let gateway = GatewayService::new(state.clone());
        let request = |method, path| request(method, path, &[]);
        let load_shed = gateway.0.load_shed.as_ref().unwrap();
        assert!(load_shed.admit(&request(Method::POST, "/orders")).is_ok());
        let _permit = state.load_limits.try_acquire().unwrap();
        assert!(load_shed.admit(&request(Method::POST, "/orders")).is_err());
        for (method, path, status) in [
            (Method::PUT, "/orders", StatusCode::METHOD_NOT_ALLOWED),
            (Method::POST, "/orders/7", StatusCode::METHOD_NOT_ALLOWED),
            (Method::GET, "/orders/", StatusCode::NOT_FOUND),
            (Method::GET, "/orders/7/items", StatusCode::NOT_FOUND),
            (Method::GET, "/ordersx", StatusCode::NOT_FOUND),
            (Method::GET, "/livez", StatusCode::OK),
        ] {
            assert_eq!(gateway.call(request(method, path)).await.status(), status, "{path}");
        }
    }
}
