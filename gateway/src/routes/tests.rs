//! Requests through every layer, with an Order service that refuses connections.

use axum::{body::Body, extract::Request};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use service_kit::{
    admin::Readiness, env::Mode, metrics::Registry, process::Process, trace::Tracer, upstream::UpstreamConfig,
};
use tower::ServiceExt;

use super::*;
use crate::{Config, limits, load_limits, pricing::UnitPrice, response_layers::cors};

pub(crate) const ORDER: &str =
    r#"{"user_id":123,"order_items":[{"product_code":"sku1","unit_price":0.12,"quantity":1}]}"#;

pub(crate) struct TestResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Vec<u8>,
}

impl TestResponse {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the body, which must be a problem with the response's status and request id.
    pub(crate) fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.status);
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], json!(self.status.as_u16()));
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        problem
    }
}

/// The state of a gateway whose Order service refuses connections.
pub(crate) fn state() -> Arc<AppState> {
    state_with(load_limits::Config::default(), None)
}

pub(crate) fn state_with(load_limits: load_limits::Config, cors: Option<cors::Config>) -> Arc<AppState> {
    let config = Config {
        process: Process::on_loopback(Mode::Development),
        // Nothing listens on port 1.
        order: UpstreamConfig::parse("127.0.0.1:1", "{}").unwrap(),
        request_timeout: limits::REQUEST_TIMEOUT_DEFAULT,
        public_url: None,
        unit_price: UnitPrice::default(),
        cors,
        public_tls: None,
        tls: service_kit::tls::Config::default(),
        auth: crate::auth::Config::default(),
        load_limits,
        traces: service_kit::trace::Config::default(),
    };
    let readiness = Readiness::default();
    readiness.set("accepting", true);
    AppState::new(&config, readiness, Tracer::default(), &mut Registry::default()).unwrap()
}

pub(crate) async fn call(router: Router, mut request: Request) -> TestResponse {
    request.headers_mut().insert(header::HOST, http::HeaderValue::from_static("shop.example"));
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    TestResponse {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes().into(),
    }
}

async fn send(method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> TestResponse {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    call(router(state()), request.body(body.into()).unwrap()).await
}

async fn get(path: &str) -> TestResponse {
    send(Method::GET, path, &[], "").await
}

async fn post(headers: &[(&str, &str)], body: impl Into<Body>) -> TestResponse {
    let json = [("content-type", "application/json")];
    send(Method::POST, "/orders", &[&json[..], headers].concat(), body).await
}

#[tokio::test]
async fn an_unknown_path_is_a_problem() {
    for path in
        ["/nothing", "/orders/", "/orders/1/2", "/payments", "/docs/nothing.js", "/docs/%FF", "/problems/%FF"]
    {
        let response = get(path).await;
        assert_eq!(response.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(response.problem()["code"], "NOT_FOUND");
    }
}

#[tokio::test]
async fn an_unsupported_method_is_a_problem_with_allow() {
    for (method, path, allowed) in [
        (Method::PUT, "/orders", "GET,HEAD,POST"),
        (Method::OPTIONS, "/orders", "GET,HEAD,POST"),
        (Method::POST, "/orders/1", "GET,HEAD"),
        (Method::DELETE, "/livez", "GET,HEAD"),
        (Method::POST, "/problems/internal", "GET,HEAD"),
    ] {
        let response = send(method, path, &[], "").await;
        assert_eq!(response.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let mut methods: Vec<&str> = response.header("allow").split(',').collect();
        methods.sort_unstable();
        assert_eq!(methods.join(","), allowed);
        assert_eq!(response.headers.get_all("allow").iter().count(), 1);
        response.problem();
    }
}

#[tokio::test]
async fn a_client_that_does_not_accept_json_gets_406() {
    for path in ["/orders/1", "/orders?user_id=1"] {
        let response = send(Method::GET, path, &[("accept", "text/html")], "").await;
        assert_eq!(response.status, StatusCode::NOT_ACCEPTABLE);
        response.problem();
    }
    assert_eq!(post(&[("accept", "text/html")], ORDER).await.status, StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn a_body_that_is_not_json_gets_415() {
    for kind in ["text/plain", "application/problem+json"] {
        let response = send(Method::POST, "/orders", &[("content-type", kind)], ORDER).await;
        assert_eq!(response.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        response.problem();
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_gets_413_and_the_connection_closes() {
    let response = post(&[], " ".repeat(limits::BODY_BYTES_MAX + 1)).await;
    assert_eq!(response.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(response.header("connection"), "close");
    response.problem();
}

#[tokio::test]
async fn violations_of_header_query_and_body_are_reported_together() {
    let request = Request::post("/orders?x=1")
        .header("content-type", "application/json")
        .header("idempotency-key", "a b")
        .body(Body::from(r#"{"user_id":0,"order_items":[]}"#))
        .unwrap();
    let response = call(router(state()), request).await;
    assert_eq!(response.status, StatusCode::BAD_REQUEST);
    let problem = response.problem();
    let fields: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["idempotency_key", "x", "user_id", "order_items"]);
    assert_eq!(problem["errors"][0].get("pointer"), None);
    assert_eq!(problem["errors"][2]["pointer"], "#/user_id");
}

#[tokio::test]
async fn every_response_to_a_post_has_the_idempotency_key() {
    for (headers, body, status) in [
        (&[("idempotency-key", "\"k\"")][..], ORDER, StatusCode::SERVICE_UNAVAILABLE),
        (&[("idempotency-key", "k"), ("accept", "text/html")], ORDER, StatusCode::NOT_ACCEPTABLE),
        (&[("idempotency-key", "k")], "{", StatusCode::BAD_REQUEST),
    ] {
        let response = post(headers, body).await;
        assert_eq!((response.status, response.header("idempotency-key")), (status, "k"));
    }
    let generated = post(&[], ORDER).await;
    assert!(generated.header("idempotency-key").parse::<uuid::Uuid>().is_ok());
    let replaced = post(&[("idempotency-key", "")], ORDER).await;
    assert!(replaced.header("idempotency-key").parse::<uuid::Uuid>().is_ok());
    let other = send(Method::POST, "/orders", &[("idempotency-key", "k")], ORDER).await;
    assert_eq!((other.status, other.header("idempotency-key")), (StatusCode::UNSUPPORTED_MEDIA_TYPE, "k"));
}

#[tokio::test]
async fn an_unreachable_order_service_is_not_started() {
    for response in [post(&[], ORDER).await, get("/orders/7").await, get("/orders?user_id=1").await] {
        assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.problem()["reason"], "NOT_STARTED");
        assert!(!response.header("retry-after").is_empty());
    }
}

#[tokio::test]
async fn invalid_paths_and_queries_get_400() {
    for path in
        ["/orders/abc", "/orders/0", "/orders/%FF", "/orders/9007199254740992", "/orders/1?x=1", "/orders"]
    {
        let response = get(path).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(response.problem()["errors"][0]["field"].is_string());
    }
}

#[tokio::test]
async fn a_uuid_request_id_of_the_client_is_kept() {
    let id = "6f1c2a3e-8d4b-4c55-9a57-0d0f4f1a2b3c";
    for path in ["/livez", "/nothing"] {
        let response = send(Method::GET, path, &[("x-request-id", id)], "").await;
        assert_eq!(response.header("x-request-id"), id);
    }
    assert_ne!(get("/livez").await.header("x-request-id"), "");
}

#[tokio::test]
async fn a_panic_is_a_problem_without_the_panics_text() {
    async fn panics() {
        panic!("a secret");
    }
    let state = state();
    let router: Router = Router::new()
        .route("/panics", axum::routing::get(panics))
        .layer(from_fn_with_state(state, with_request_context));
    let response = call(router, Request::get("/panics").body(Body::empty()).unwrap()).await;
    assert_eq!(response.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(response.problem()["code"], "INTERNAL");
    assert!(!String::from_utf8(response.body).unwrap().contains("secret"));
}

#[tokio::test]
async fn a_compressed_body_gets_415_with_accept_encoding() {
    let request = Request::post("/orders")
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(Body::from("..."))
        .unwrap();
    let response = call(router(state()), request).await;
    assert_eq!(
        (response.status, response.header("accept-encoding")),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, "identity")
    );
    assert!(response.problem()["detail"].as_str().unwrap().contains("Content-Encoding"));
}

#[tokio::test]
async fn readyz_follows_readiness() {
    let state = state();
    let get =
        async |path: &str| call(router(state.clone()), Request::get(path).body(Body::empty()).unwrap()).await;
    assert_eq!([get("/livez").await.status, get("/readyz").await.status], [StatusCode::OK; 2]);
    state.readiness.set("accepting", false);
    assert_eq!(get("/livez").await.status, StatusCode::OK);
    let unready = get("/readyz").await;
    assert_eq!(unready.status, StatusCode::SERVICE_UNAVAILABLE);
    unready.problem();
}

#[tokio::test]
async fn the_documentation_is_served() {
    let document = get("/openapi.json").await;
    assert_eq!(document.header("content-type"), "application/json");
    assert_eq!(document.body, crate::openapi::document_json().into_bytes());
    assert_eq!(document.header("x-content-type-options"), "nosniff");
    let page = get("/docs").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    assert_eq!(get("/docs/swagger-ui-bundle.js").await.status, StatusCode::OK);
    for (path, page) in
        [("/", "docs"), ("/swagger-ui", "docs"), ("/swagger-ui/", "../docs"), ("/docs/", "../docs")]
    {
        let redirect = get(path).await;
        assert_eq!((redirect.status, redirect.header("location")), (StatusCode::TEMPORARY_REDIRECT, page));
    }
    // A proxy forwards `https://shop.example/api` as `/`, to which `docs` would not be relative.
    let mut state = Arc::into_inner(state()).unwrap();
    state.public_url = Some("https://shop.example/api".parse().unwrap());
    let request = Request::get("/").body(Body::empty()).unwrap();
    let redirect = call(router(Arc::new(state)), request).await;
    assert_eq!(redirect.header("location"), "https://shop.example/api/docs");
}

#[tokio::test]
async fn a_location_begins_with_the_public_url() {
    let mut state = Arc::into_inner(state()).unwrap();
    assert_eq!(state.location(7), "/orders/7");
    state.public_url = Some("https://shop.example/".parse().unwrap());
    assert_eq!(state.location(7), "https://shop.example/orders/7");
}
