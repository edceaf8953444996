//! Headers that the gateway propagates to Order: request id, trace context, idempotency key,
//! deadline.

use http::Method;
use proto::order::CreateOrderResponse;
use serde_json::json;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    backend::scripted::ScriptedOrder,
    gateway_fixture::{GatewayFixture, Operation},
    support::order_body,
};

const REQUEST_ID: &str = "6f1c2a3e-8d4b-4c55-9a57-0d0f4f1a2b3c";
const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A gateway, and an Order that creates every order and finds none.
async fn fixture() -> (ScriptedOrder, GatewayFixture) {
    let order = ScriptedOrder::start().await;
    order.fail_all(&Status::new(Code::NotFound, "no such order"));
    order.set_create(CreateOrderResponse { order_id: 12, ..CreateOrderResponse::default() });
    let gateway = GatewayFixture::start(order.address).await;
    (order, gateway)
}

fn metadata(order: &ScriptedOrder, name: &str) -> String {
    order
        .last_metadata()
        .get(name)
        .map(|value| value.to_str().expect("visible ASCII").to_owned())
        .unwrap_or_default()
}

#[tokio::test]
async fn request_id_is_propagated_and_returned() {
    let (order, gateway) = fixture().await;
    let ids = [("x-request-id", REQUEST_ID)];
    let placed = gateway.call(Operation::Create, &ids).await;
    assert_eq!((placed.status.as_u16(), placed.header("x-request-id")), (201, REQUEST_ID));
    assert_eq!(metadata(&order, "x-request-id"), REQUEST_ID);
    let missing = gateway.call(Operation::Get, &ids).await;
    assert_eq!((missing.status.as_u16(), missing.header("x-request-id")), (404, REQUEST_ID));
    assert_eq!(metadata(&order, "x-request-id"), REQUEST_ID);
    let problem = missing.problem();
    assert_eq!(
        (&problem["request_id"], &problem["instance"]),
        (&json!(REQUEST_ID), &json!(format!("urn:uuid:{REQUEST_ID}")))
    );
}

#[tokio::test]
async fn request_id_that_is_not_a_uuid_is_replaced() {
    let (order, gateway) = fixture().await;
    for id in ["mine", "", "6f1c2a3e-8d4b-4c55-9a57", "<script>", &"6".repeat(1000)] {
        for response in [
            gateway.call(Operation::Create, &[("x-request-id", id)]).await,
            gateway.call(Operation::Get, &[("x-request-id", id)]).await,
        ] {
            let id_returned = response.header("x-request-id");
            assert!(
                id_returned != id && id_returned.parse::<Uuid>().is_ok(),
                "{id:?} became {id_returned:?}"
            );
            assert_eq!(response.headers.get_all("x-request-id").iter().count(), 1);
        }
    }
    let unnamed = gateway.call(Operation::Get, &[]).await;
    assert_eq!(metadata(&order, "x-request-id"), unnamed.header("x-request-id"));
    assert_ne!(
        unnamed.header("x-request-id"),
        gateway.call(Operation::Get, &[]).await.header("x-request-id")
    );
}

#[tokio::test]
async fn trace_context_is_propagated() {
    let (order, gateway) = fixture().await;
    let missing = gateway.call(Operation::Get, &[("traceparent", PARENT), ("tracestate", "shop=1")]).await;
    assert_eq!(missing.problem()["trace_id"], TRACE_ID);
    // A gateway without a trace exporter adds no span of its own.
    assert_eq!(metadata(&order, "traceparent"), PARENT);
    assert_eq!(metadata(&order, "tracestate"), "shop=1");

    let lines = [("traceparent", PARENT), ("tracestate", "shop=1"), ("tracestate", "till=2,shelf=3")];
    gateway.call(Operation::Get, &lines).await;
    assert_eq!(metadata(&order, "tracestate"), "shop=1,till=2,shelf=3");

    gateway.call(Operation::Create, &[("traceparent", PARENT)]).await;
    assert!(metadata(&order, "traceparent").contains(TRACE_ID));

    // The random flag, and a tracestate that is longer than a service has to forward.
    let random = PARENT.replace("-01", "-03");
    let long: Vec<_> = (0..9).map(|index| format!("m{index}={}", "v".repeat(100))).collect();
    gateway.call(Operation::Get, &[("traceparent", &random), ("tracestate", &long.join(","))]).await;
    assert_eq!(metadata(&order, "traceparent"), random);
    assert_eq!(metadata(&order, "tracestate"), long.join(","));
}

#[tokio::test]
async fn invalid_trace_context_is_replaced() {
    let (order, gateway) = fixture().await;
    for parent in
        ["", "canary", &PARENT.to_uppercase(), "00-00000000000000000000000000000000-00f067aa0ba902b7-01"]
    {
        let missing =
            gateway.call(Operation::Get, &[("traceparent", parent), ("tracestate", "shop=1")]).await;
        let trace_id = missing.problem()["trace_id"].as_str().expect("a text").to_owned();
        assert!(trace_id != TRACE_ID && trace_id.len() == 32, "{parent:?}: {trace_id}");
        let sent = metadata(&order, "traceparent");
        assert!(sent.contains(&trace_id) && sent.ends_with("-02"), "{parent:?}: {sent}");
        assert_eq!(metadata(&order, "tracestate"), "", "{parent:?}");
    }
}

#[tokio::test]
async fn two_trace_parents_are_replaced() {
    let (order, gateway) = fixture().await;
    let other = PARENT.replace("4bf9", "4bf8");
    let headers = [("traceparent", PARENT), ("traceparent", &other), ("tracestate", "shop=1")];
    let missing = gateway.call(Operation::Get, &headers).await;
    let trace_id = missing.problem()["trace_id"].as_str().expect("a text").to_owned();
    assert!(!PARENT.contains(&trace_id) && !other.contains(&trace_id), "{trace_id}");
    assert!(metadata(&order, "traceparent").contains(&trace_id));
    assert_eq!(metadata(&order, "tracestate"), "");
}

#[tokio::test]
async fn idempotency_key_is_propagated_unquoted() {
    let (order, gateway) = fixture().await;
    let longest = "k".repeat(255);
    let quoted = format!("\"{longest}\"");
    for (sent, key) in [
        ("key-1", "key-1"),
        ("\"key-1\"", "key-1"),
        ("Key-1", "Key-1"),
        ("!~", "!~"),
        (&longest, &longest),
        (&quoted, &longest),
    ] {
        let response = gateway.call(Operation::Create, &[("idempotency-key", sent)]).await;
        assert_eq!((response.status.as_u16(), response.header("idempotency-key")), (201, key));
        assert_eq!(order.last_create().idempotency_key, key);
    }
}

#[tokio::test]
async fn missing_idempotency_key_is_generated() {
    let (order, gateway) = fixture().await;
    let (one, other) =
        (gateway.call(Operation::Create, &[]).await, gateway.call(Operation::Create, &[]).await);
    let key = other.header("idempotency-key");
    assert!(!key.is_empty() && one.header("idempotency-key") != key);
    assert_eq!(order.last_create().idempotency_key, key);
}

#[tokio::test]
async fn every_post_response_has_the_effective_key() {
    let (order, gateway) = fixture().await;
    let client = &gateway.client;
    let key = ("idempotency-key", "key-1");
    let json = ("content-type", "application/json");
    let body = order_body(123, json!(0.12)).to_string();
    let large = format!("\"{}\"", "x".repeat(70_000));
    for (headers, body, http) in [
        (vec![key, json], "{}", 400),
        (vec![key, json], "no json", 400),
        (vec![key, json], &large, 413),
        (vec![key, ("content-type", "text/plain")], &body, 415),
        (vec![key, json, ("content-encoding", "gzip")], &body, 415),
        (vec![key, json, ("accept", "text/html")], &body, 406),
    ] {
        let response = client.send(Method::POST, "/orders", &headers, body.to_owned()).await;
        assert_eq!((response.status.as_u16(), response.header("idempotency-key")), (http, "key-1"));
    }
    assert!(order.last_metadata().is_empty(), "Order was called");
    for code in 1..=16 {
        order.fail_all(&Status::new(Code::from_i32(code), "no"));
        assert_eq!(gateway.call(Operation::Create, &[key]).await.header("idempotency-key"), "key-1");
    }
    let invalid = gateway.call(Operation::Create, &[("idempotency-key", "a b")]).await;
    let generated = invalid.header("idempotency-key");
    assert_eq!(
        (invalid.status.as_u16(), &invalid.problem()["errors"][0]["field"]),
        (400, &json!("idempotency_key"))
    );
    assert!(!generated.is_empty() && generated != "a b");
    assert_eq!(gateway.call(Operation::Get, &[key]).await.header("idempotency-key"), "");
}

#[tokio::test]
async fn replayed_order_is_marked() {
    let (order, gateway) = fixture().await;
    order.set_create(CreateOrderResponse { order_id: 12, replayed: true, ..CreateOrderResponse::default() });
    let response = gateway.call(Operation::Create, &[]).await;
    assert_eq!((response.status.as_u16(), response.header("idempotent-replayed")), (201, "true"));
}

#[tokio::test]
async fn order_receives_the_request_timeout() {
    let (order, _) = fixture().await;
    let gateway = GatewayFixture::start_with(order.address, &[("REQUEST_TIMEOUT_MS", "4000")]).await;
    for response in [gateway.call(Operation::Create, &[]).await, gateway.call(Operation::Get, &[]).await] {
        assert!(response.status.as_u16() < 500);
        let timeout = metadata(&order, "grpc-timeout");
        let micros: u64 = timeout.strip_suffix('u').and_then(|digits| digits.parse().ok()).expect(&timeout);
        assert!((1..=4_000_000).contains(&micros), "{timeout}");
    }
}
