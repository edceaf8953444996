//! `Grpc-Timeout` of a client, and what is passed on of the time that a request has.

use std::time::{Duration, Instant};

use all_in_one::System;
use grpc_client::timeout::{GRPC_TIMEOUT, parse};
use http::{HeaderMap, Method};
use serde_json::json;
use service_kit::{CancellationToken, process::Sockets};
use tokio::{net::TcpStream, sync::mpsc};

use crate::{
    backend::{http2::Http2, scripted::Scripted},
    front::{Ask, EVERY_ASK, Front},
    support::{Client, order_body, until},
};

/// Far above the deadlines here, and far below what a request is given by default.
const BOUND: Duration = Duration::from_secs(5);
/// Above any deadline that it could be taken for.
const SOON: Duration = Duration::from_millis(300);

/// The time that a call was given.
fn given(headers: &HeaderMap) -> Duration {
    parse(headers.get(GRPC_TIMEOUT).expect("a grpc-timeout")).expect("one that can be read")
}

#[tokio::test]
async fn the_nearer_deadline_ends_a_request_that_hangs() {
    let order = Http2::hanging().await;
    for (own, asked) in [("10000", "300m"), ("300", "30S")] {
        let gateway = Front::with(order.address, &[("REQUEST_TIMEOUT_MS", own)]).await;
        for how in EVERY_ASK {
            let began = Instant::now();
            let answer = gateway.ask(how, &[("grpc-timeout", asked)]).await;
            let took = began.elapsed();
            assert_eq!(answer.status, 504, "{how:?} {own} {asked}");
            let slug = if how == Ask::Post { "outcome-unknown" } else { "deadline-exceeded" };
            assert_eq!(answer.problem()["type"], format!("/problems/{slug}"));
            assert!((SOON..BOUND).contains(&took), "{how:?} {own} {asked}: {took:?}");
        }
    }
}

#[tokio::test]
async fn order_is_given_what_is_left() {
    let order = Scripted::start().await;
    let gateway = Front::of(order.address).await;
    for how in EVERY_ASK {
        gateway.ask(how, &[("grpc-timeout", "4S")]).await;
        let told = given(&order.metadata());
        assert!(told < Duration::from_secs(4), "{how:?}: {told:?}");
    }
    gateway.ask(Ask::Post, &[]).await;
    assert!(given(&order.metadata()) > Duration::from_secs(4));
}

#[tokio::test]
async fn one_that_cannot_be_read_is_named_among_the_other_faults() {
    let order = Scripted::start().await;
    let gateway = Front::of(order.address).await;
    for bad in ["", "1", "1.5S", "-1S", "123456789m", "soon"] {
        for how in EVERY_ASK {
            let answer = gateway.ask(how, &[("grpc-timeout", bad)]).await;
            assert_eq!(answer.status, 400, "{how:?} {bad:?}");
            let problem = answer.problem();
            assert_eq!(
                (&problem["code"], problem["errors"].as_array().unwrap().len()),
                (&json!("INVALID_ARGUMENT"), 1)
            );
            assert_eq!(problem["errors"][0]["field"], "grpc_timeout", "{how:?} {bad:?}");
        }
    }
    let bad = [("idempotency-key", "a b"), ("grpc-timeout", "1S"), ("grpc-timeout", "1S")];
    let answers = [
        (
            gateway.client.post_with(&bad, "{}").await,
            &["idempotency_key", "grpc_timeout", "user_id", "order_items"][..],
        ),
        (gateway.client.send(Method::GET, "/orders", &bad, "").await, &["grpc_timeout", "user_id"]),
        (gateway.client.send(Method::GET, "/orders/x", &bad, "").await, &["grpc_timeout", "order_id"]),
    ];
    for (answer, fields) in answers {
        let problem = answer.problem();
        let named: Vec<_> =
            problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
        assert_eq!(named, fields);
    }
    assert!(order.metadata().is_empty());
}

#[tokio::test]
async fn too_little_time_starts_nothing() {
    let order = Scripted::start().await;
    let gateway = Front::of(order.address).await;
    let system = System::start().await.unwrap();
    let client = Client::new(system.gateway_url());
    let body = order_body(123, json!(0.12));
    for how in EVERY_ASK {
        for none in ["0S", "0n"] {
            let answer = gateway.ask(how, &[("grpc-timeout", none)]).await;
            assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"), "{how:?} {none}");
            assert_eq!(answer.problem()["reason"], "NOT_STARTED");
        }
    }
    assert!(order.metadata().is_empty());
    // Order itself asks for more.
    let refused = client.post_with(&[("grpc-timeout", "550m")], &body).await;
    assert_eq!((refused.status.as_u16(), &refused.problem()["reason"]), (503, &json!("NOT_STARTED")));
    assert_eq!(client.get("/orders?user_id=123").await.json()["orders"], json!([]));
    assert_eq!(client.post_with(&[("grpc-timeout", "9S")], &body).await.status, 201);
}

#[tokio::test]
async fn a_client_is_answered_in_time_where_payment_hangs() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let payment = Http2::hanging_told_to(tell).await;
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
    until("Order listens", async || TcpStream::connect(address).await.ok()).await;
    let gateway = Front::with(address, &[("REQUEST_TIMEOUT_MS", "1000")]).await;

    let began = Instant::now();
    let answer = gateway.ask(Ask::Post, &[]).await;
    let took = began.elapsed();
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert!(took < Duration::from_millis(1_100), "{took:?}");
    let problem = answer.problem();
    assert_eq!((&problem["reason"], &problem["retryable"]), (&json!("OUTCOME_UNKNOWN"), &json!(true)));
    let order = gateway.client.get(&format!("/orders/{}", answer.order_id())).await;
    assert_eq!(order.json()["status"], "PENDING", "{}", order.text());
    let charge = told.recv().await.unwrap();
    assert!(given(&charge) < Duration::from_secs(1), "{charge:?}");
    serving.abort();
}
