//! The gateway as its listener knows it: the routes, and before them the refusal of what there is no place for.
//!
//! `admission` would refuse it too, and does where the last place is taken in between. But by then a request has passed the
//! router and every layer before its handler, and what a refusal costs decides how many orders an overloaded machine still
//! places.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    BoxError, Router,
    body::{Body, Bytes, HttpBody},
    extract::Request,
    response::Response,
};
use http::Method;
use tower::{Layer, Service, ServiceExt, util::Either, util::option_layer};
use tower_http::cors::Cors;

use crate::{
    admission, face,
    layers::around,
    routes::{self, ORDER, ORDERS, Shared},
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
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let request = request.map(Body::new);
        let Inner { routes, refusals } = &*self.0;
        if let Some(refusals) = refusals
            && let Some(route) = refusals.route_of(&request)
        {
            // Whatever is answered otherwise is not to carry it about.
            return Box::pin(refusals.answer(request, route)).await;
        }
        let Ok(response) = routes.clone().call(request).await;
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

/// What refuses, dressed as every answer is.
struct Refusals {
    shared: Arc<Shared>,
    dressed: Either<Cors<Refuse>, Refuse>,
    orders: Arc<str>,
    order: Arc<str>,
}

impl Refusals {
    fn new(shared: Arc<Shared>) -> Self {
        let cors = option_layer(shared.face().cors.as_ref().map(face::cors::Config::layer));
        let dressed = cors.layer(Refuse(shared.clone()));
        Self { shared, dressed, orders: ORDERS.into(), order: ORDER.into() }
    }

    /// The route of a request that needs a place, where none is left.
    fn route_of(&self, request: &Request) -> Option<Arc<str>> {
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

    async fn answer(&self, request: Request, route: Arc<str>) -> Response {
        around(&self.shared, request, Some(route), async |request| {
            let Ok(response) = self.dressed.clone().oneshot(request).await;
            response
        })
        .await
    }
}

/// The refusal itself.
#[derive(Clone)]
struct Refuse(Arc<Shared>);

impl Service<Request> for Refuse {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // It is shorter than what is compressed.
        ready(Ok(face::headers::complete(admission::refuse(&self.0, &request), self.0.is_https())))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

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

    fn request(method: Method, path: &str, headers: &[(&str, &str)]) -> Request {
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
