//! Layers around every response: CORS, compression and security headers.

use axum::{Router, extract::Request, middleware, response::Response};
use tower::ServiceBuilder;

use crate::{conditional, panics::catch_panic, request_head};
pub(crate) use compression::accepts_gzip;

mod compression;
pub mod cors;
pub(crate) mod security_headers;

/// Wraps `routes` in these layers, innermost first. `https` is whether clients reach the gateway by TLS.
///
/// 1. the panic handler, so that the response to a panic passes the layers below, and the precondition
///    `If-Match` of safe requests, and the responses that need no resource;
/// 2. the security headers, and `Cache-Control: no-store` where the handler set none;
/// 3. compression;
/// 4. CORS, which answers preflight requests itself.
///
/// Layers that reject requests (authentication, rate limits) belong inside of these, so that a script of
/// another origin can read the rejection. All but CORS are one axum layer: axum boxes each one, and clones
/// everything inside of it for every request.
pub(crate) fn apply<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    cors: Option<&cors::Config>,
    https: bool,
) -> Router<S> {
    let catch = async |request: Request, next: middleware::Next| {
        if let Some(response) = request_head::respond_without_resource(&request) {
            return response;
        }
        // POST checks the precondition before it places an order.
        let fails = request.method().is_safe() && conditional::if_match_fails(request.headers());
        let response = catch_panic(next.run(request)).await;
        if fails { conditional::apply_if_match(response) } else { response }
    };
    let routes = routes.layer(
        ServiceBuilder::new()
            .map_request(compression::select_coding)
            .layer(compression::layer())
            .map_response(move |mut response: Response| {
                security_headers::insert(response.headers_mut(), https);
                response
            })
            .layer(middleware::from_fn(catch)),
    );
    match cors {
        Some(cors) => routes.layer(cors.layer()),
        None => routes,
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};
    use http::StatusCode;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn the_response_to_a_panic_passes_every_layer() {
        async fn panics() {
            panic!("a secret");
        }
        let cors = cors::Config { origins: cors::Origins::Any, credentials: false };
        let routes: Router = Router::new().route("/panics", get(panics));
        let routes = apply(routes, Some(&cors), false);
        let response = routes.oneshot(Request::get("/panics").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in [
            ("content-type", "application/problem+json"),
            ("access-control-allow-origin", "*"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(response.headers()[name], value, "{name}");
        }
    }
}
