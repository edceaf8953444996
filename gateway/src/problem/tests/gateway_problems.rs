//! The gateway's own problems, and the members of every problem: ids of the request, URL of the gateway.

use std::sync::Arc;

use axum::response::IntoResponse;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use service_kit::{
    metrics::{self, Registry},
    trace,
};
use tonic::Code;

use super::{bad_request, render, render_status, retry_info, status};
use crate::problem::{Problem, ProblemContext, RequestFacts, Violation, scope};

#[tokio::test]
async fn every_constructor_has_its_status_type_and_code() {
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
        let rendered = render(problem).await;
        assert_eq!((rendered.status.as_u16(), &rendered.body["status"]), (http, &json!(http)));
        assert_eq!(rendered.body["type"], json!(format!("/problems/{slug}")));
        assert_eq!(rendered.body["code"], code);
        assert_eq!(rendered.header("content-type"), Some("application/problem+json"));
    }
}

#[tokio::test]
async fn a_405_lists_the_allowed_methods() {
    assert_eq!(render(Problem::method_not_allowed("GET, HEAD")).await.header("allow"), Some("GET, HEAD"));
    assert_eq!(render(Problem::method_not_allowed("GET\r\nX: y")).await.header("allow"), None);
}

#[tokio::test]
async fn an_invalid_request_has_every_violation() {
    let violation = Violation {
        field: "order_items[0].quantity".to_owned(),
        pointer: Some("#/order_items/0/quantity".to_owned()),
        detail: "must be from 1 to 1,000,000".to_owned(),
        reason: Some("OUT_OF_RANGE".to_owned()),
    };
    let rendered =
        render(Problem::invalid(vec![violation.clone(), Violation { reason: None, ..violation }])).await;
    assert_eq!(rendered.body["errors"].as_array().unwrap().len(), 2);
    assert_eq!(
        rendered.body["errors"][0],
        json!({"field": "order_items[0].quantity", "pointer": "#/order_items/0/quantity",
               "detail": "must be from 1 to 1,000,000", "reason": "OUT_OF_RANGE"})
    );
    assert!(rendered.body["errors"][1].get("reason").is_none());
}

#[tokio::test]
async fn not_started_has_the_domain_gateway_and_a_retry_delay() {
    let rendered = render(Problem::not_started()).await;
    assert_eq!(
        (&rendered.body["domain"], &rendered.body["reason"]),
        (&json!("gateway"), &json!("NOT_STARTED"))
    );
    assert_eq!((rendered.header("retry-after"), &rendered.body["retry_after_ms"]), (Some("1"), &json!(1000)));
}

#[tokio::test]
async fn a_problem_has_the_ids_of_its_request_and_trace() {
    let id = "6f1c2a3e-8d4b-4c55-9a57-0d0f4f1a2b3c";
    let headers = HeaderMap::from_iter([
        (trace::REQUEST_ID, HeaderValue::from_static(id)),
        (
            trace::TRACEPARENT,
            HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ),
    ]);
    let context = trace::Context::from_headers(&headers);
    let rendered = trace::scope(context, async { render(Problem::internal()).await }).await;
    assert_eq!(rendered.body["request_id"], json!(id));
    assert_eq!(rendered.body["instance"], json!(format!("urn:uuid:{id}")));
    assert_eq!(rendered.body["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[tokio::test]
async fn type_urls_start_with_the_public_url() {
    for (url, expected) in [
        (None, "/problems/internal"),
        (Some("https://shop.example"), "https://shop.example/problems/internal"),
        (Some("https://shop.example/api"), "https://shop.example/api/problems/internal"),
    ] {
        let context = ProblemContext::new(url, &mut Registry::default());
        let rendered = scope(context, async { render(Problem::internal()).await }).await;
        assert_eq!(rendered.body["type"], json!(expected));
    }
}

#[tokio::test]
async fn builders_set_detail_order_id_and_headers() {
    let problem = Problem::not_found("x")
        .with_detail(format!("there is no order {}", 7))
        .with_order_id(7)
        .with_header(header::CONNECTION, HeaderValue::from_static("close"));
    let rendered = render(problem).await;
    assert_eq!((rendered.status, rendered.header("connection")), (StatusCode::NOT_FOUND, Some("close")));
    assert_eq!(
        (&rendered.body["detail"], &rendered.body["order_id"]),
        (&json!("there is no order 7"), &json!(7))
    );
    assert!(render(Problem::not_found("x").with_order_id(0)).await.body.get("order_id").is_none());
}

#[tokio::test]
async fn dropped_details_are_exported_as_metrics() {
    let mut registry = Registry::default();
    let context = ProblemContext::new(None, &mut registry);
    let failed = status(
        Code::Internal,
        "",
        &[super::malformed("google.rpc.Help"), bad_request(&[]), retry_info(-1, 0)],
    );
    scope(context, render_status(&failed, &RequestFacts::default())).await;
    let text = metrics::render(&Arc::new(registry));
    assert!(text.contains("gateway_status_details_dropped_total{why=\"malformed\"} 2"), "{text}");
}

#[tokio::test]
async fn every_problem_is_counted_by_its_type_and_status() {
    let context = ProblemContext::new(None, &mut Registry::default());
    for problem in [Problem::not_started(), Problem::not_started(), Problem::payload_too_large()] {
        scope(context.clone(), async { problem.into_response() }).await;
    }
    let count = |kind, status| context.problem_count(kind, status);
    assert_eq!(count("not-started", StatusCode::SERVICE_UNAVAILABLE), 2);
    assert_eq!(count("invalid-argument", StatusCode::PAYLOAD_TOO_LARGE), 1);
}
