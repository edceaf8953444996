//! What browsers and caches meet around every answer: who may read it (`cors`), how it travels (`compression`), what
//! a browser may do with it (`headers`), and whether the caller has it already (`etag`).

use axum::{Router, extract::Request, middleware, response::Response};
use service_kit::env::Reader;
use tower::ServiceBuilder;

use crate::layers::caught;
pub(crate) use compression::takes_gzip;

mod compression;
pub mod cors;
pub(crate) mod etag;
pub(crate) mod headers;

/// How the gateway meets browsers.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Which scripts of other origins may read answers; none where there is nothing.
    pub cors: Option<cors::Config>,
}

impl Config {
    /// Reads `CORS_ALLOWED_ORIGINS` and `CORS_ALLOW_CREDENTIALS`; `None` where a fault was recorded.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        cors::Config::read(reader).map(|cors| Self { cors })
    }
}

/// `routes` with what stands around every answer, outermost last; `https` is whether the public comes by TLS. Whatever refuses requests by itself
/// (authentication, a rate limit) belongs within it: only so can a script of another origin read the refusal.
///
/// 1. the catch, so that the answer to a panic is dressed like any other;
/// 2. the headers that say what a browser may do with an answer, and that nobody keeps it unless its handler says so;
/// 3. compression;
/// 4. CORS, which answers preflights itself.
///
/// They are one layer as far as that goes: axum boxes each, and each clones all that is within it for every request.
pub(crate) fn dressed<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    config: &Config,
    https: bool,
) -> Router<S> {
    let catch = async |request: Request, next: middleware::Next| caught(next.run(request)).await;
    let dressed = routes.layer(
        ServiceBuilder::new()
            .map_request(compression::accept_plain)
            .layer(compression::layer())
            .map_response(move |mut response: Response| {
                headers::complete(response.headers_mut(), https);
                response
            })
            .layer(middleware::from_fn(catch)),
    );
    match &config.cors {
        Some(cors) => dressed.layer(cors.layer()),
        None => dressed,
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};
    use http::StatusCode;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn the_answer_to_a_panic_is_dressed_like_any_other() {
        async fn panics() {
            panic!("a secret");
        }
        let cors = cors::Config { origins: cors::Origins::Any, credentials: false };
        let routes: Router = Router::new().route("/panics", get(panics));
        let routes = dressed(routes, &Config { cors: Some(cors) }, false);
        let answer = routes.oneshot(Request::get("/panics").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in [
            ("content-type", "application/problem+json"),
            ("access-control-allow-origin", "*"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(answer.headers()[name], value, "{name}");
        }
    }
}
