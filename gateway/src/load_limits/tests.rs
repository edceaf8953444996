//! Requests through every layer, with an Order service that refuses connections.

use axum::{Router, body::Body};
use http::{Extensions, StatusCode};

use super::*;
use crate::routes::{
    router,
    tests::{ORDER, TestResponse, call, state_with},
};

fn gateway(vars: &[(&str, &str)]) -> Router {
    router(state_with(Config::of(vars), None))
}

fn from(peer: &str, subject: Option<i64>) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(PeerAddress(peer.parse().unwrap()));
    if let Some(id) = subject {
        extensions.insert(Subject(id));
    }
    extensions
}

async fn get(gateway: &Router, path: &str, extensions: Extensions) -> TestResponse {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    *request.extensions_mut() = extensions;
    call(gateway.clone(), request).await
}

async fn post(gateway: &Router, headers: &[(&str, &str)], extensions: Extensions) -> TestResponse {
    let mut request = Request::post("/orders").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::from(ORDER)).unwrap();
    *request.extensions_mut() = extensions;
    call(gateway.clone(), request).await
}

/// The status of a request that passes every limit: Order is unreachable.
const PASSED: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[tokio::test]
async fn without_limits_no_response_has_rate_limit_headers() {
    let gateway = gateway(&[]);
    for _ in 0..300 {
        let response = get(&gateway, "/orders/abc", from("192.0.2.1", Some(123))).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST);
        assert_eq!((response.header("ratelimit"), response.header("ratelimit-policy")), ("", ""));
    }
}

#[tokio::test]
async fn an_address_is_limited_over_both_routes() {
    let gateway = gateway(&[("RATE_LIMIT_PER_ADDRESS", "2/60")]);
    let first = post(&gateway, &[], from("192.0.2.1", None)).await;
    assert_eq!((first.status, first.header("ratelimit")), (PASSED, "\"address\";r=1;t=30"));
    assert_eq!(first.header("ratelimit-policy"), "\"address\";q=2;w=60");
    let second = get(&gateway, "/orders/abc", from("192.0.2.1", None)).await;
    assert_eq!(
        (second.status, second.header("ratelimit")),
        (StatusCode::BAD_REQUEST, "\"address\";r=0;t=30")
    );

    let third = post(&gateway, &[("idempotency-key", "k")], from("192.0.2.1", None)).await;
    assert_eq!((third.status, third.header("retry-after")), (LIMITED, "30"));
    assert_eq!((third.header("ratelimit"), third.header("idempotency-key")), ("\"address\";r=0;t=30", "k"));
    let problem = third.problem();
    assert_eq!((&problem["reason"], &problem["code"]), (&"NOT_STARTED".into(), &"RESOURCE_EXHAUSTED".into()));
    assert_eq!((&problem["retryable"], &problem["retry_after_ms"]), (&true.into(), &30_000.into()));
    assert_eq!(problem["quota_violations"][0]["quota_id"], "address");
    assert!(post(&gateway, &[], from("192.0.2.1", None)).await.header("idempotency-key").len() == 36);

    // Other addresses have their own limit, and other routes have none.
    assert_eq!(post(&gateway, &[], from("192.0.2.2", None)).await.status, PASSED);
    let document = get(&gateway, "/openapi.json", from("192.0.2.1", None)).await;
    assert_eq!((document.status, document.header("ratelimit")), (StatusCode::OK, ""));
}

#[tokio::test]
async fn addresses_of_one_ipv6_network_share_a_limit() {
    let gateway = gateway(&[("RATE_LIMIT_PER_ADDRESS", "1/60")]);
    for (peer, status) in [
        ("2001:db8::1", PASSED),
        ("2001:db8::2", LIMITED),
        ("2001:db8:0:1::1", PASSED),
        ("::ffff:192.0.2.1", PASSED),
        ("192.0.2.1", LIMITED),
    ] {
        assert_eq!(post(&gateway, &[], from(peer, None)).await.status, status, "{peer}");
    }
}

#[tokio::test]
async fn clients_of_a_trusted_proxy_are_limited_by_their_own_address() {
    let gateway = gateway(&[("RATE_LIMIT_PER_ADDRESS", "1/60"), ("TRUSTED_PROXIES", "10.0.0.0/8")]);
    for (peer, forwarded_for, status) in [
        ("10.0.0.1", "203.0.113.1", PASSED),
        ("10.0.0.2", "203.0.113.2", PASSED),
        ("10.0.0.1", "8.8.8.8, 203.0.113.1", LIMITED),
        ("203.0.113.9", "198.51.100.1", PASSED),
        ("203.0.113.9", "198.51.100.2", LIMITED),
    ] {
        let response = post(&gateway, &[("x-forwarded-for", forwarded_for)], from(peer, None)).await;
        assert_eq!(response.status, status, "{peer} {forwarded_for}");
    }
}

#[tokio::test]
async fn a_subject_is_limited_over_all_addresses_after_the_address_limit() {
    let gateway = gateway(&[("RATE_LIMIT_PER_ADDRESS", "3/60"), ("RATE_LIMIT_PER_SUBJECT", "2/60")]);
    let first = post(&gateway, &[], from("192.0.2.1", Some(123))).await;
    assert_eq!(first.header("ratelimit-policy"), "\"address\";q=3;w=60, \"subject\";q=2;w=60");
    assert_eq!(first.header("ratelimit"), "\"address\";r=2;t=40, \"subject\";r=1;t=30");
    assert_eq!(post(&gateway, &[], from("192.0.2.2", Some(123))).await.status, PASSED);
    let third = post(&gateway, &[], from("192.0.2.1", Some(123))).await;
    assert_eq!((third.status, third.header("retry-after")), (LIMITED, "30"));
    assert_eq!(third.problem()["quota_violations"][0]["quota_id"], "subject");
    // An order for another user is rejected after the limits.
    assert_eq!(post(&gateway, &[], from("192.0.2.1", Some(8))).await.status, StatusCode::FORBIDDEN);
    // The address is over its limit by now, so that the subject's limit is not checked.
    let fifth = post(&gateway, &[], from("192.0.2.1", Some(9))).await;
    assert_eq!((fifth.status, fifth.header("ratelimit-policy")), (LIMITED, "\"address\";q=3;w=60"));
}

#[tokio::test]
async fn requests_beyond_the_in_flight_limit_are_shed_before_their_body_is_read() {
    let config = Config::of(&[("REQUESTS_IN_FLIGHT_MAX", "2"), ("RATE_LIMIT_PER_ADDRESS", "9/60")]);
    let state = state_with(config, None);
    let gateway = router(state.clone());
    let permits = [state.load_limits.try_acquire().unwrap(), state.load_limits.try_acquire().unwrap()];
    let silent = Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let mut request = Request::post("/orders").header("expect", "100-continue").body(silent).unwrap();
    request.extensions_mut().extend(from("192.0.2.1", None));
    for response in
        [call(gateway.clone(), request).await, get(&gateway, "/orders/7", from("192.0.2.1", None)).await]
    {
        assert_eq!((response.status, response.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
        assert!(response.header("ratelimit").starts_with("\"address\";r="));
        let problem = response.problem();
        assert_eq!(problem["reason"], "NOT_STARTED");
        assert!(problem["detail"].as_str().unwrap().contains("being worked on"));
    }
    // Requests that need no permit are served.
    assert_eq!(get(&gateway, "/livez", from("192.0.2.1", None)).await.status, StatusCode::OK);
    drop(permits);
    let response = post(&gateway, &[], from("192.0.2.1", None)).await;
    assert!(!response.problem()["detail"].as_str().unwrap().contains("being worked on"));
}

#[tokio::test]
async fn every_rejection_is_counted() {
    let config = Config::of(&[
        ("REQUESTS_IN_FLIGHT_MAX", "1"),
        ("RATE_LIMIT_PER_ADDRESS", "1/60"),
        ("RATE_LIMIT_PER_SUBJECT", "1/60"),
    ]);
    let mut registry = Registry::default();
    let load_limits = LoadLimits::new(&config, &mut registry);
    let permit = load_limits.try_acquire().unwrap();
    assert!(load_limits.try_acquire().is_err() && load_limits.try_acquire().is_err());
    // Without a permit a long poll ends with the last known state: no request is rejected.
    assert!(load_limits.permit().is_none());
    drop(permit);
    let mut request = Request::get("/").body(Body::empty()).unwrap();
    *request.extensions_mut() = from("192.0.2.1", Some(123));
    for _ in 0..3 {
        let _ = (load_limits.check_address(&request), load_limits.check_subject(&request));
    }
    let page = service_kit::metrics::render(&std::sync::Arc::new(registry));
    for line in [
        "gateway_requests_shed_total 2",
        "gateway_requests_limited_total{limit=\"address\"} 2",
        "gateway_requests_limited_total{limit=\"subject\"} 2",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
}
