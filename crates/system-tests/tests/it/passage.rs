//! What passes through the gateway with a request: its id, its trace, its idempotency key, its deadline.

use http::Method;
use proto::order::CreateOrderResponse;
use serde_json::json;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    backend::scripted::Scripted,
    front::{Ask, Front},
    support::order_body,
};

const REQUEST_ID: &str = "6f1c2a3e-8d4b-4c55-9a57-0d0f4f1a2b3c";
const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A gateway, and an Order that places everything and finds nothing.
async fn rig() -> (Scripted, Front) {
    let order = Scripted::start().await;
    order.fail(&Status::new(Code::NotFound, "no such order"));
    order.create(CreateOrderResponse { order_id: 12, ..CreateOrderResponse::default() });
    let gateway = Front::of(order.address).await;
    (order, gateway)
}

fn metadata(order: &Scripted, name: &str) -> String {
    order
        .metadata()
        .get(name)
        .map(|value| value.to_str().expect("visible ASCII").to_owned())
        .unwrap_or_default()
}

#[tokio::test]
async fn a_request_id_goes_in_through_and_out() {
    let (order, gateway) = rig().await;
    let ids = [("x-request-id", REQUEST_ID)];
    let placed = gateway.ask(Ask::Post, &ids).await;
    assert_eq!((placed.status.as_u16(), placed.header("x-request-id")), (201, REQUEST_ID));
    assert_eq!(metadata(&order, "x-request-id"), REQUEST_ID);
    let missing = gateway.ask(Ask::Get, &ids).await;
    assert_eq!((missing.status.as_u16(), missing.header("x-request-id")), (404, REQUEST_ID));
    assert_eq!(metadata(&order, "x-request-id"), REQUEST_ID);
    let problem = missing.problem();
    assert_eq!(
        (&problem["request_id"], &problem["instance"]),
        (&json!(REQUEST_ID), &json!(format!("urn:uuid:{REQUEST_ID}")))
    );
}

#[tokio::test]
async fn a_request_id_that_is_no_uuid_is_replaced_by_one_that_is() {
    let (order, gateway) = rig().await;
    for id in ["mine", "", "6f1c2a3e-8d4b-4c55-9a57", "<script>", &"6".repeat(1000)] {
        for answer in [
            gateway.ask(Ask::Post, &[("x-request-id", id)]).await,
            gateway.ask(Ask::Get, &[("x-request-id", id)]).await,
        ] {
            let given = answer.header("x-request-id");
            assert!(given != id && given.parse::<Uuid>().is_ok(), "{id:?} became {given:?}");
            assert_eq!(answer.headers.get_all("x-request-id").iter().count(), 1);
        }
    }
    let unnamed = gateway.ask(Ask::Get, &[]).await;
    assert_eq!(metadata(&order, "x-request-id"), unnamed.header("x-request-id"));
    assert_ne!(unnamed.header("x-request-id"), gateway.ask(Ask::Get, &[]).await.header("x-request-id"));
}

#[tokio::test]
async fn a_trace_goes_in_through_and_out() {
    let (order, gateway) = rig().await;
    let missing = gateway.ask(Ask::Get, &[("traceparent", PARENT), ("tracestate", "shop=1")]).await;
    assert_eq!(missing.problem()["trace_id"], TRACE_ID);
    // A gateway that exports no traces is no part of this one.
    assert_eq!(metadata(&order, "traceparent"), PARENT);
    assert_eq!(metadata(&order, "tracestate"), "shop=1");

    let lines = [("traceparent", PARENT), ("tracestate", "shop=1"), ("tracestate", "till=2,shelf=3")];
    gateway.ask(Ask::Get, &lines).await;
    assert_eq!(metadata(&order, "tracestate"), "shop=1,till=2,shelf=3");

    gateway.ask(Ask::Post, &[("traceparent", PARENT)]).await;
    assert!(metadata(&order, "traceparent").contains(TRACE_ID));
}

#[tokio::test]
async fn a_trace_that_is_none_is_replaced_by_one_that_order_is_told_of() {
    let (order, gateway) = rig().await;
    for parent in
        ["", "canary", &PARENT.to_uppercase(), "00-00000000000000000000000000000000-00f067aa0ba902b7-01"]
    {
        let missing = gateway.ask(Ask::Get, &[("traceparent", parent), ("tracestate", "shop=1")]).await;
        let trace_id = missing.problem()["trace_id"].as_str().expect("a text").to_owned();
        assert!(trace_id != TRACE_ID && trace_id.len() == 32, "{parent:?}: {trace_id}");
        assert!(metadata(&order, "traceparent").contains(&trace_id), "{parent:?}");
    }
}

#[tokio::test]
async fn a_key_goes_through_and_comes_back_bare() {
    let (order, gateway) = rig().await;
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
        let answer = gateway.ask(Ask::Post, &[("idempotency-key", sent)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("idempotency-key")), (201, key));
        assert_eq!(order.created().idempotency_key, key);
    }
}

#[tokio::test]
async fn a_missing_key_is_made_and_is_another_one_each_time() {
    let (order, gateway) = rig().await;
    let (one, other) = (gateway.ask(Ask::Post, &[]).await, gateway.ask(Ask::Post, &[]).await);
    let key = other.header("idempotency-key");
    assert!(!key.is_empty() && one.header("idempotency-key") != key);
    assert_eq!(order.created().idempotency_key, key);
}

#[tokio::test]
async fn every_answer_to_a_post_has_the_key_in_effect() {
    let (order, gateway) = rig().await;
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
        (vec![key, json, ("accept", "text/html")], &body, 406),
    ] {
        let answer = client.send(Method::POST, "/orders", &headers, body.to_owned()).await;
        assert_eq!((answer.status.as_u16(), answer.header("idempotency-key")), (http, "key-1"));
    }
    for code in 1..=16 {
        order.fail(&Status::new(Code::from_i32(code), "no"));
        assert_eq!(gateway.ask(Ask::Post, &[key]).await.header("idempotency-key"), "key-1");
    }
    let invalid = gateway.ask(Ask::Post, &[("idempotency-key", "a b")]).await;
    let given = invalid.header("idempotency-key");
    assert_eq!(
        (invalid.status.as_u16(), &invalid.problem()["errors"][0]["field"]),
        (400, &json!("idempotency_key"))
    );
    assert!(!given.is_empty() && given != "a b");
    assert_eq!(gateway.ask(Ask::Get, &[key]).await.header("idempotency-key"), "");
}

#[tokio::test]
async fn a_replayed_order_is_marked() {
    let (order, gateway) = rig().await;
    order.create(CreateOrderResponse { order_id: 12, replayed: true, ..CreateOrderResponse::default() });
    let answer = gateway.ask(Ask::Post, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("idempotent-replayed")), (201, "true"));
}

#[tokio::test]
async fn order_is_told_how_long_it_has() {
    let (order, _) = rig().await;
    let gateway = Front::with(order.address, &[("REQUEST_TIMEOUT_MS", "4000")]).await;
    for answer in [gateway.ask(Ask::Post, &[]).await, gateway.ask(Ask::Get, &[]).await] {
        assert!(answer.status.as_u16() < 500);
        let timeout = metadata(&order, "grpc-timeout");
        let micros: u64 = timeout.strip_suffix('u').and_then(|digits| digits.parse().ok()).expect(&timeout);
        assert!((1..=4_000_000).contains(&micros), "{timeout}");
    }
}
