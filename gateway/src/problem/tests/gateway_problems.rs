//! The gateway's own problems, and what every problem takes from its request.

use std::sync::Arc;

use axum::response::IntoResponse;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use service_kit::{
    metrics::{Registry, render},
    trace,
};
use tonic::Code;

use super::{bad_request, retry_info, see, status, told};
use crate::problem::{Problem, ProblemContext, RequestFacts, Violation, scope};

#[tokio::test]
async fn each_has_its_status_type_and_code() {
    for (problem, http, slug, code) in [
        (Problem::not_found("nothing here"), 404, "not-found", "NOT_FOUND"),
        (Problem::method_not_allowed("GET, POST"), 405, "unimplemented", "UNIMPLEMENTED"),
        (Problem::not_acceptable(), 406, "invalid-argument", "INVALID_ARGUMENT"),
        (Problem::body_timeout(), 408, "deadline-exceeded", "DEADLINE_EXCEEDED"),
        (Problem::payload_too_large(), 413, "invalid-argument", "INVALID_ARGUMENT"),
        (Problem::unsupported_media_type(), 415, "invalid-argument", "INVALID_ARGUMENT"),
        (Problem::invalid(vec![]), 400, "invalid-argument", "INVALID_ARGUMENT"),
        (Problem::internal(), 500, "internal", "INTERNAL"),
        (Problem::bad_gateway(), 502, "internal", "INTERNAL"),
        (Problem::not_started(), 503, "not-started", "UNAVAILABLE"),
        (Problem::outcome_unknown(), 504, "outcome-unknown", "DEADLINE_EXCEEDED"),
    ] {
        assert_eq!((problem.status().as_u16(), problem.kind().slug), (http, slug));
        let seen = see(problem).await;
        assert_eq!((seen.status.as_u16(), &seen.body["status"]), (http, &json!(http)));
        assert_eq!(seen.body["type"], json!(format!("/problems/{slug}")));
        assert_eq!(seen.body["code"], code);
        assert_eq!(seen.header("content-type"), Some("application/problem+json"));
    }
}

#[tokio::test]
async fn a_405_lists_what_is_allowed() {
    assert_eq!(see(Problem::method_not_allowed("GET, HEAD")).await.header("allow"), Some("GET, HEAD"));
    assert_eq!(see(Problem::method_not_allowed("GET\r\nX: y")).await.header("allow"), None);
}

#[tokio::test]
async fn an_invalid_request_has_every_violation() {
    let violation = Violation {
        field: "order_items[0].quantity".to_owned(),
        pointer: Some("#/order_items/0/quantity".to_owned()),
        detail: "must be from 1 to 1,000,000".to_owned(),
        reason: Some("OUT_OF_RANGE".to_owned()),
    };
    let seen = see(Problem::invalid(vec![violation.clone(), Violation { reason: None, ..violation }])).await;
    assert_eq!(seen.body["errors"].as_array().unwrap().len(), 2);
    assert_eq!(
        seen.body["errors"][0],
        json!({"field": "order_items[0].quantity", "pointer": "#/order_items/0/quantity",
               "detail": "must be from 1 to 1,000,000", "reason": "OUT_OF_RANGE"})
    );
    assert!(seen.body["errors"][1].get("reason").is_none());
}

#[tokio::test]
async fn refusals_are_given_in_the_gateway_s_own_domain_and_say_when_to_come_back() {
    let seen = see(Problem::not_started()).await;
    assert_eq!((&seen.body["domain"], &seen.body["reason"]), (&json!("gateway"), &json!("NOT_STARTED")));
    assert_eq!((seen.header("retry-after"), &seen.body["retry_after_ms"]), (Some("1"), &json!(1000)));
}

#[tokio::test]
async fn a_problem_names_its_request_and_its_trace() {
    let id = "6f1c2a3e-8d4b-4c55-9a57-0d0f4f1a2b3c";
    let headers = HeaderMap::from_iter([
        (trace::REQUEST_ID, HeaderValue::from_static(id)),
        (
            trace::TRACEPARENT,
            HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ),
    ]);
    let context = trace::Context::from_headers(&headers);
    let seen = trace::scope(context, async { see(Problem::internal()).await }).await;
    assert_eq!(seen.body["request_id"], json!(id));
    assert_eq!(seen.body["instance"], json!(format!("urn:uuid:{id}")));
    assert_eq!(seen.body["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[tokio::test]
async fn types_are_under_the_public_address_where_there_is_one() {
    for (url, expected) in [
        (None, "/problems/internal"),
        (Some("https://shop.example"), "https://shop.example/problems/internal"),
        (Some("https://shop.example/api"), "https://shop.example/api/problems/internal"),
    ] {
        let site = ProblemContext::new(url, &mut Registry::default());
        let seen = scope(site, async { see(Problem::internal()).await }).await;
        assert_eq!(seen.body["type"], json!(expected));
    }
}

#[tokio::test]
async fn a_caller_of_the_constructors_can_say_more() {
    let problem = Problem::not_found("x")
        .with_detail(format!("there is no order {}", 7))
        .with_order_id(7)
        .with_header(header::CONNECTION, HeaderValue::from_static("close"));
    let seen = see(problem).await;
    assert_eq!((seen.status, seen.header("connection")), (StatusCode::NOT_FOUND, Some("close")));
    assert_eq!((&seen.body["detail"], &seen.body["order_id"]), (&json!("there is no order 7"), &json!(7)));
    assert!(see(Problem::not_found("x").with_order_id(0)).await.body.get("order_id").is_none());
}

#[tokio::test]
async fn what_was_left_out_shows_on_the_metrics_page() {
    let mut registry = Registry::default();
    let site = ProblemContext::new(None, &mut registry);
    let failed = status(
        Code::Internal,
        "",
        &[super::malformed("google.rpc.Help"), bad_request(&[]), retry_info(-1, 0)],
    );
    scope(site, told(&failed, &RequestFacts::default())).await;
    let text = render(&Arc::new(registry));
    assert!(text.contains("gateway_status_details_dropped_total{why=\"malformed\"} 2"), "{text}");
}

#[tokio::test]
async fn every_problem_is_counted_by_its_type_and_status() {
    let site = ProblemContext::new(None, &mut Registry::default());
    for problem in [Problem::not_started(), Problem::not_started(), Problem::payload_too_large()] {
        scope(site.clone(), async { problem.into_response() }).await;
    }
    let counted = |kind, status| site.counted(kind, status);
    assert_eq!(counted("not-started", StatusCode::SERVICE_UNAVAILABLE), 2);
    assert_eq!(counted("invalid-argument", StatusCode::PAYLOAD_TOO_LARGE), 1);
}
