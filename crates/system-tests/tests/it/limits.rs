//! Limits on request heads and bodies: the gateway enforces each, reports it if possible, and keeps
//! serving.

use std::net::SocketAddr;

use all_in_one::{Options, System};
use http::Method;
use serde_json::Value;

use crate::support::{
    Client, EXAMPLE, Response,
    raw::{RawConnection, post, post_head},
    start_system,
};

mod large_bodies;
mod request_heads;
mod slow_bodies;

/// The largest body that the gateway reads, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// The chunk size of chunked bodies.
const PIECE_BYTES: usize = 64 * 1024;

/// A system, its client, and the gateway's address.
async fn start() -> (System, Client, SocketAddr) {
    start_with(Options::default()).await
}

async fn start_with(options: Options) -> (System, Client, SocketAddr) {
    let (system, client) = start_system(options).await;
    let address = system.gateway_address();
    (system, client, address)
}

/// The example padded with spaces to `bytes` bytes.
fn padded(bytes: usize) -> String {
    let (spaces, open) = (bytes - EXAMPLE.len(), EXAMPLE.trim_end_matches('}'));
    format!("{open}{}}}", " ".repeat(spaces))
}

/// Asserts a 413 and returns its problem.
fn too_large(response: &Response) -> Value {
    assert_eq!(response.status, 413, "{}", response.text());
    let problem = response.problem();
    assert_eq!(problem["code"], "INVALID_ARGUMENT");
    assert_eq!(problem["retryable"], false);
    problem
}

/// Asserts that rejected requests created no order and that the gateway still serves.
async fn assert_still_serving(client: &Client) {
    let listed = client.get("/orders?user_id=123").await;
    assert_eq!(listed.json()["orders"], serde_json::json!([]));
    assert_eq!(client.post(EXAMPLE).await.status, 201);
}

#[tokio::test]
async fn body_limit_is_64_kib() {
    let (system, client, _) = start().await;
    for client in [client, Client::over_http2(system.gateway_url())] {
        let fits = client.post(padded(BODY_BYTES_MAX)).await;
        assert_eq!(fits.status, 201, "{}", fits.text());
        too_large(&client.post(padded(BODY_BYTES_MAX + 1)).await);
    }
}

#[tokio::test]
async fn body_limit_applies_to_chunked_bodies() {
    let (_system, client, gateway) = start().await;
    for (bytes, status) in [(BODY_BYTES_MAX, 201), (BODY_BYTES_MAX + 1, 413)] {
        let mut connection = RawConnection::open(gateway).await;
        connection.send(post_head("Transfer-Encoding: chunked\r\n")).await.unwrap();
        for piece in padded(bytes).as_bytes().chunks(1000) {
            let piece = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
            connection.send(piece).await.unwrap();
        }
        connection.send("0\r\n\r\n").await.unwrap();
        assert_eq!(connection.read_order_response().await.status, status);
    }
    assert_eq!(client.get("/orders?user_id=123").await.json()["orders"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn connection_stays_open_after_errors() {
    let (_system, _client, gateway) = start().await;
    let mut connection = RawConnection::open(gateway).await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: gateway\r\n\r\n");
    for (request, method, path, status) in [
        (post("", "{"), Method::POST, "/orders", 400),
        (post("Accept: text/html\r\n", EXAMPLE), Method::POST, "/orders", 406),
        (post("", EXAMPLE).replace("application/json", "text/plain"), Method::POST, "/orders", 415),
        (post("", EXAMPLE).replace("/orders", "/nothing"), Method::POST, "/nothing", 404),
        (post("", EXAMPLE).replace("/orders", "/livez"), Method::POST, "/livez", 405),
        (get("/orders/abc"), Method::GET, "/orders/abc", 400),
        (get("/orders/1"), Method::GET, "/orders/1", 404),
        (post("", EXAMPLE), Method::POST, "/orders", 201),
    ] {
        connection.send(&request).await.unwrap();
        let response = connection.read_response(&method, path).await;
        assert_eq!((response.status.as_u16(), response.header("connection")), (status, ""), "{request}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_system, client, gateway) = start().await;
    let mut connection = RawConnection::open(gateway).await;
    let requests =
        [post("Idempotency-Key: a\r\n", EXAMPLE), post("", "{"), post("Idempotency-Key: b\r\n", EXAMPLE)];
    connection.send(requests.concat()).await.unwrap();
    for (status, key) in [(201, "a"), (400, ""), (201, "b")] {
        let response = connection.read_order_response().await;
        assert_eq!(response.status, status);
        assert!(key.is_empty() || response.header("idempotency-key") == key);
    }
    assert_eq!(client.get("/orders?user_id=123").await.json()["orders"].as_array().unwrap().len(), 2);
}
