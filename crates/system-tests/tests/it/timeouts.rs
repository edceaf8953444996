//! The client's `Grpc-Timeout`, and the deadline that the gateway propagates.

use std::time::{Duration, Instant};

use all_in_one::System;
use grpc_client::timeout::{GRPC_TIMEOUT, parse};
use http::{HeaderMap, Method};
use serde_json::json;
use service_kit::{CancellationToken, process::Sockets};
use tokio::{net::TcpStream, sync::mpsc};

use crate::{
    backend::{http2::Http2Server, scripted::ScriptedOrder},
    gateway_fixture::{ALL_OPERATIONS, GatewayFixture, Operation},
    support::{Client, eventually, order_body},
};

/// Far above the deadlines here, and far below the default request timeout.
const BOUND: Duration = Duration::from_secs(5);
/// The shortest time after which a response can come from a deadline.
const SOON: Duration = Duration::from_millis(300);

/// The `grpc-timeout` of a call.
fn timeout_of(headers: &HeaderMap) -> Duration {
    parse(headers.get(GRPC_TIMEOUT).expect("a grpc-timeout")).expect("one that can be read")
}

#[tokio::test]
async fn earlier_deadline_ends_a_hanging_request() {
    let order = Http2Server::hanging().await;
    for (own, requested) in [("10000", "300m"), ("300", "30S")] {
        let gateway = GatewayFixture::start_with(order.address, &[("REQUEST_TIMEOUT_MS", own)]).await;
        for operation in ALL_OPERATIONS {
            let began = Instant::now();
            let response = gateway.call(operation, &[("grpc-timeout", requested)]).await;
            let took = began.elapsed();
            assert_eq!(response.status, 504, "{operation:?} {own} {requested}");
            let slug = if operation == Operation::Create { "outcome-unknown" } else { "deadline-exceeded" };
            assert_eq!(response.problem()["type"], format!("/problems/{slug}"));
            assert!((SOON..BOUND).contains(&took), "{operation:?} {own} {requested}: {took:?}");
        }
    }
}

#[tokio::test]
async fn order_receives_the_remaining_deadline() {
    let order = ScriptedOrder::start().await;
    let gateway = GatewayFixture::start(order.address).await;
    for operation in ALL_OPERATIONS {
        gateway.call(operation, &[("grpc-timeout", "4S")]).await;
        let timeout = timeout_of(&order.last_metadata());
        assert!(timeout < Duration::from_secs(4), "{operation:?}: {timeout:?}");
    }
    gateway.call(Operation::Create, &[]).await;
    assert!(timeout_of(&order.last_metadata()) > Duration::from_secs(4));
}

#[tokio::test]
async fn invalid_timeout_is_listed_among_the_field_errors() {
    let order = ScriptedOrder::start().await;
    let gateway = GatewayFixture::start(order.address).await;
    for bad in ["", "1", "1.5S", "-1S", "123456789m", "soon"] {
        for operation in ALL_OPERATIONS {
            let response = gateway.call(operation, &[("grpc-timeout", bad)]).await;
            assert_eq!(response.status, 400, "{operation:?} {bad:?}");
            let problem = response.problem();
            assert_eq!(
                (&problem["code"], problem["errors"].as_array().unwrap().len()),
                (&json!("INVALID_ARGUMENT"), 1)
            );
            assert_eq!(problem["errors"][0]["field"], "grpc_timeout", "{operation:?} {bad:?}");
        }
    }
    let bad = [("idempotency-key", "a b"), ("grpc-timeout", "1S"), ("grpc-timeout", "1S")];
    let responses = [
        (
            gateway.client.post_with(&bad, "{}").await,
            &["idempotency_key", "grpc_timeout", "user_id", "order_items"][..],
        ),
        (gateway.client.send(Method::GET, "/orders", &bad, "").await, &["grpc_timeout", "user_id"]),
        (gateway.client.send(Method::GET, "/orders/x", &bad, "").await, &["grpc_timeout", "order_id"]),
    ];
    for (response, fields) in responses {
        let problem = response.problem();
        let named: Vec<_> =
            problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
        assert_eq!(named, fields);
    }
    assert!(order.last_metadata().is_empty());
}

#[tokio::test]
async fn deadline_too_short_starts_nothing() {
    let order = ScriptedOrder::start().await;
    let gateway = GatewayFixture::start(order.address).await;
    let system = System::start().await.unwrap();
    let client = Client::new(system.gateway_url());
    let body = order_body(123, json!(0.12));
    for operation in ALL_OPERATIONS {
        for none in ["0S", "0n"] {
            let response = gateway.call(operation, &[("grpc-timeout", none)]).await;
            assert_eq!(
                (response.status.as_u16(), response.header("retry-after")),
                (503, "1"),
                "{operation:?} {none}"
            );
            assert_eq!(response.problem()["reason"], "NOT_STARTED");
        }
    }
    assert!(order.last_metadata().is_empty());
    // Order's own minimum is higher.
    let rejected = client.post_with(&[("grpc-timeout", "550m")], &body).await;
    assert_eq!((rejected.status.as_u16(), &rejected.problem()["reason"]), (503, &json!("NOT_STARTED")));
    assert_eq!(client.get("/orders?user_id=123").await.json()["orders"], json!([]));
    assert_eq!(client.post_with(&[("grpc-timeout", "9S")], &body).await.status, 201);
}

#[tokio::test]
async fn hanging_payment_gives_504_before_the_deadline() {
    let (sender, mut requests) = mpsc::unbounded_channel();
    let payment = Http2Server::hanging_reporting_to(sender).await;
    let data = tempfile::tempdir().unwrap();
    let (url, payment_url) =
        (format!("sqlite://{}/order.db", data.path().display()), payment.address.to_string());
    let vars = [
        ("APPLICATION_PORT", "0"),
        ("ADMIN_ADDRESS", "127.0.0.1:0"),
        ("ENV", "development"),
        ("DB_DRIVER", "sqlite"),
        ("DATA_SOURCE_URL", &url),
        ("PAYMENT_SERVICE_URL", &payment_url),
    ];
    let config = order::Config::read(&vars.into_iter().collect()).unwrap();
    let sockets = Sockets::bind(&config.process).await.unwrap();
    let address = sockets.service.local_addr();
    let serving = tokio::spawn(order::serve(config, sockets, CancellationToken::new()));
    eventually("Order listens", async || TcpStream::connect(address).await.ok()).await;
    let gateway = GatewayFixture::start_with(address, &[("REQUEST_TIMEOUT_MS", "1000")]).await;

    let began = Instant::now();
    let response = gateway.call(Operation::Create, &[]).await;
    let took = began.elapsed();
    assert_eq!(response.status, 504, "{}", response.text());
    assert!(took < Duration::from_millis(1_100), "{took:?}");
    let problem = response.problem();
    assert_eq!((&problem["reason"], &problem["retryable"]), (&json!("OUTCOME_UNKNOWN"), &json!(true)));
    let order = gateway.client.get(&format!("/orders/{}", response.order_id())).await;
    assert_eq!(order.json()["status"], "PENDING", "{}", order.text());
    let charge = requests.recv().await.unwrap();
    assert!(timeout_of(&charge) < Duration::from_secs(1), "{charge:?}");
    serving.abort();
}
