//! Requests through every layer, in front of an Order service that is not there.

use axum::{Router, body::Body};
use http::{Extensions, StatusCode};

use super::*;
use crate::routes::{
    router,
    tests::{Answer, ORDER, asked, state_with},
};

fn gateway(vars: &[(&str, &str)]) -> Router {
    router(state_with(Config::of(vars), None))
}

fn from(peer: &str, subject: Option<i64>) -> Extensions {
    let mut known = Extensions::new();
    known.insert(PeerAddress(peer.parse().unwrap()));
    if let Some(id) = subject {
        known.insert(Subject(id));
    }
    known
}

async fn get(gateway: &Router, path: &str, known: Extensions) -> Answer {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    *request.extensions_mut() = known;
    asked(gateway.clone(), request).await
}

async fn post(gateway: &Router, headers: &[(&str, &str)], known: Extensions) -> Answer {
    let mut request = Request::post("/orders").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::from(ORDER)).unwrap();
    *request.extensions_mut() = known;
    asked(gateway.clone(), request).await
}

/// An order that reached Order, or would have, were it there.
const PASSED: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[tokio::test]
async fn without_limits_no_answer_tells_of_any() {
    let gateway = gateway(&[]);
    for _ in 0..300 {
        let answer = get(&gateway, "/orders/abc", from("192.0.2.1", Some(123))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!((answer.header("ratelimit"), answer.header("ratelimit-policy")), ("", ""));
    }
}

#[tokio::test]
async fn an_address_is_limited_on_both_routes_together_and_told_so() {
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

    // Others are others, and what is not about orders is not limited.
    assert_eq!(post(&gateway, &[], from("192.0.2.2", None)).await.status, PASSED);
    let document = get(&gateway, "/openapi.json", from("192.0.2.1", None)).await;
    assert_eq!((document.status, document.header("ratelimit")), (StatusCode::OK, ""));
}

#[tokio::test]
async fn addresses_of_one_ipv6_network_are_one_client() {
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
async fn behind_a_proxy_its_clients_are_told_apart_and_cannot_choose_who_they_are() {
    let gateway = gateway(&[("RATE_LIMIT_PER_ADDRESS", "1/60"), ("TRUSTED_PROXIES", "10.0.0.0/8")]);
    for (peer, said, status) in [
        ("10.0.0.1", "203.0.113.1", PASSED),
        ("10.0.0.2", "203.0.113.2", PASSED),
        ("10.0.0.1", "8.8.8.8, 203.0.113.1", LIMITED),
        ("203.0.113.9", "198.51.100.1", PASSED),
        ("203.0.113.9", "198.51.100.2", LIMITED),
    ] {
        let answer = post(&gateway, &[("x-forwarded-for", said)], from(peer, None)).await;
        assert_eq!(answer.status, status, "{peer} {said}");
    }
}

#[tokio::test]
async fn a_subject_is_limited_wherever_it_comes_from_after_the_address() {
    let gateway = gateway(&[("RATE_LIMIT_PER_ADDRESS", "3/60"), ("RATE_LIMIT_PER_SUBJECT", "2/60")]);
    let first = post(&gateway, &[], from("192.0.2.1", Some(123))).await;
    assert_eq!(first.header("ratelimit-policy"), "\"address\";q=3;w=60, \"subject\";q=2;w=60");
    assert_eq!(first.header("ratelimit"), "\"address\";r=2;t=40, \"subject\";r=1;t=30");
    assert_eq!(post(&gateway, &[], from("192.0.2.2", Some(123))).await.status, PASSED);
    let third = post(&gateway, &[], from("192.0.2.1", Some(123))).await;
    assert_eq!((third.status, third.header("retry-after")), (LIMITED, "30"));
    assert_eq!(third.problem()["quota_violations"][0]["quota_id"], "subject");
    // It is past the limits that another user's order is refused.
    assert_eq!(post(&gateway, &[], from("192.0.2.1", Some(8))).await.status, StatusCode::FORBIDDEN);
    // The address has had its share by now, and the subject is not asked.
    let fifth = post(&gateway, &[], from("192.0.2.1", Some(9))).await;
    assert_eq!((fifth.status, fifth.header("ratelimit-policy")), (LIMITED, "\"address\";q=3;w=60"));
}

#[tokio::test]
async fn what_is_more_than_may_be_in_flight_is_shed_before_its_body_is_read() {
    let config = Config::of(&[("REQUESTS_IN_FLIGHT_MAX", "2"), ("RATE_LIMIT_PER_ADDRESS", "9/60")]);
    let state = state_with(config, None);
    let gateway = router(state.clone());
    let places = [state.load_limits.try_acquire().unwrap(), state.load_limits.try_acquire().unwrap()];
    let silent = Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let mut request = Request::post("/orders").header("expect", "100-continue").body(silent).unwrap();
    request.extensions_mut().extend(from("192.0.2.1", None));
    for answer in
        [asked(gateway.clone(), request).await, get(&gateway, "/orders/7", from("192.0.2.1", None)).await]
    {
        assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
        assert!(answer.header("ratelimit").starts_with("\"address\";r="));
        let problem = answer.problem();
        assert_eq!(problem["reason"], "NOT_STARTED");
        assert!(problem["detail"].as_str().unwrap().contains("being worked on"));
    }
    // What needs no place goes on.
    assert_eq!(get(&gateway, "/livez", from("192.0.2.1", None)).await.status, StatusCode::OK);
    drop(places);
    let answer = post(&gateway, &[], from("192.0.2.1", None)).await;
    assert!(!answer.problem()["detail"].as_str().unwrap().contains("being worked on"));
}

#[tokio::test]
async fn every_refusal_is_counted() {
    let config = Config::of(&[
        ("REQUESTS_IN_FLIGHT_MAX", "1"),
        ("RATE_LIMIT_PER_ADDRESS", "1/60"),
        ("RATE_LIMIT_PER_SUBJECT", "1/60"),
    ]);
    let mut registry = Registry::default();
    let load_limits = LoadLimits::new(&config, &mut registry);
    let place = load_limits.try_acquire().unwrap();
    assert!(load_limits.try_acquire().is_err() && load_limits.try_acquire().is_err());
    drop(place);
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
