//! Bounds on what a stranger can make large, many or slow: each is kept, told where it can be told, and the
//! service goes on.

use std::net::SocketAddr;

use all_in_one::{Options, System};
use http::Method;
use serde_json::Value;

use crate::support::{
    Answer, Client,
    raw::{Raw, post, post_head},
};

mod connections;
mod large;
mod slow;

const EXAMPLE: &str =
    r#"{"user_id":123,"order_items":[{"product_code":"sku1","unit_price":0.12,"quantity":1}]}"#;
/// Bytes of the longest body that is read.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// What chunked bodies are sent in.
const PIECE_BYTES: usize = 64 * 1024;

/// A system, its client, and the gateway's address.
async fn start() -> (System, Client, SocketAddr) {
    start_with(Options::default()).await
}

async fn start_with(options: Options) -> (System, Client, SocketAddr) {
    let system = System::start_with(options).await.unwrap();
    let (client, address) = (Client::new(system.gateway_url()), system.gateway_address());
    (system, client, address)
}

/// The example with spaces before its last brace, so that it is so many bytes long.
fn padded(bytes: usize) -> String {
    let (spaces, open) = (bytes - EXAMPLE.len(), EXAMPLE.trim_end_matches('}'));
    format!("{open}{}}}", " ".repeat(spaces))
}

/// The problem of a body that is too large.
fn too_large(answer: &Answer) -> Value {
    assert_eq!(answer.status, 413, "{}", answer.text());
    let problem = answer.problem();
    assert_eq!(problem["code"], "INVALID_ARGUMENT");
    assert_eq!(problem["retryable"], false);
    problem
}

/// The service goes on, and what was refused left no order.
async fn goes_on(client: &Client) {
    let listed = client.get("/orders?user_id=123").await;
    assert_eq!(listed.json()["orders"], serde_json::json!([]));
    assert_eq!(client.post(EXAMPLE).await.status, 201);
}

#[tokio::test]
async fn a_body_of_64_kib_is_read_and_one_byte_more_is_not() {
    let (system, client, _) = start().await;
    for client in [client, Client::over_http2(system.gateway_url())] {
        let fits = client.post(padded(BODY_BYTES_MAX)).await;
        assert_eq!(fits.status, 201, "{}", fits.text());
        too_large(&client.post(padded(BODY_BYTES_MAX + 1)).await);
    }
}

#[tokio::test]
async fn a_body_in_pieces_is_bounded_alike() {
    let (_stack, client, gateway) = start().await;
    for (bytes, status) in [(BODY_BYTES_MAX, 201), (BODY_BYTES_MAX + 1, 413)] {
        let mut connection = Raw::open(gateway).await;
        connection.send(post_head("Transfer-Encoding: chunked\r\n")).await.unwrap();
        for piece in padded(bytes).as_bytes().chunks(1000) {
            let piece = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
            connection.send(piece).await.unwrap();
        }
        connection.send("0\r\n\r\n").await.unwrap();
        assert_eq!(connection.placed().await.status, status);
    }
    assert_eq!(client.get("/orders?user_id=123").await.json()["orders"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_connection_goes_on_after_an_error_that_leaves_nothing_behind() {
    let (_stack, _client, gateway) = start().await;
    let mut connection = Raw::open(gateway).await;
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
        let answer = connection.answer(&method, path).await;
        assert_eq!((answer.status.as_u16(), answer.header("connection")), (status, ""), "{request}");
    }
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_their_order() {
    let (_stack, client, gateway) = start().await;
    let mut connection = Raw::open(gateway).await;
    let requests =
        [post("Idempotency-Key: a\r\n", EXAMPLE), post("", "{"), post("Idempotency-Key: b\r\n", EXAMPLE)];
    connection.send(requests.concat()).await.unwrap();
    for (status, key) in [(201, "a"), (400, ""), (201, "b")] {
        let answer = connection.placed().await;
        assert_eq!(answer.status, status);
        assert!(key.is_empty() || answer.header("idempotency-key") == key);
    }
    assert_eq!(client.get("/orders?user_id=123").await.json()["orders"].as_array().unwrap().len(), 2);
}
