//! Rejections by the gateway's limits come at once, while the body is silent, over HTTP/1.1 and HTTP/2.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use h2::client;
use http::Request;
use tokio::{net::TcpStream, sync::mpsc};

use crate::{
    backend::http2::Http2Server,
    gateway_fixture::{GatewayFixture, Operation},
    support::{
        WAIT_MAX, free_address,
        raw::{RawConnection, post_head},
    },
};

/// Time limit of a refusal, on a loaded machine.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Asserts that a `POST /orders` whose body never comes gets this status at once.
async fn assert_refused(gateway: SocketAddr, status: u16) {
    let mut connection = RawConnection::open(gateway).await;
    connection.send(post_head("Content-Length: 100\r\n")).await.unwrap();
    let sent = Instant::now();
    let refusal = connection.read_order_response().await;
    let took = sent.elapsed();
    assert_eq!((refusal.status.as_u16(), took < AT_ONCE), (status, true), "HTTP/1.1, {took:?}");
    refusal.problem();

    let stream = TcpStream::connect(gateway).await.unwrap();
    let (mut requests, connection) = client::handshake(stream).await.unwrap();
    let driven = tokio::spawn(connection);
    let request =
        Request::post(format!("http://{gateway}/orders")).header("content-type", "application/json");
    let request = request.header("content-length", "100").body(()).unwrap();
    let sent = Instant::now();
    let (response, _silent_body) = requests.send_request(request, false).unwrap();
    // A reset before the response is an error here.
    let response = tokio::time::timeout(WAIT_MAX, response).await.unwrap().unwrap();
    let took = sent.elapsed();
    assert_eq!((response.status().as_u16(), took < AT_ONCE), (status, true), "HTTP/2, {took:?}");
    let mut body = response.into_body();
    let mut whole = Vec::new();
    while let Some(data) = body.data().await {
        whole.extend_from_slice(&data.expect("the response is whole"));
    }
    let problem: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(problem["status"], status);
    driven.abort();
}

#[tokio::test]
async fn missing_token_is_refused_at_once() {
    let secret = ("AUTH_HS256_SECRET", "0123456789abcdef0123456789abcdef");
    let vars = [("AUTH_ISSUER", "https://issuer.example"), ("AUTH_AUDIENCE", "orders"), secret];
    let gateway = GatewayFixture::start_with(free_address(), &vars).await;
    assert_refused(gateway.address(), 401).await;
}

#[tokio::test]
async fn request_above_the_rate_limit_is_refused_at_once() {
    let gateway = GatewayFixture::start_with(free_address(), &[("RATE_LIMIT_PER_ADDRESS", "1/3600")]).await;
    assert_eq!(gateway.call(Operation::List, &[]).await.status, 503);
    assert_refused(gateway.address(), 429).await;
}

#[tokio::test]
async fn request_without_a_permit_is_refused_at_once() {
    let (sender, mut calls) = mpsc::unbounded_channel();
    let order = Http2Server::hanging_reporting_to(sender).await;
    let gateway = GatewayFixture::start_with(order.address, &[("REQUESTS_IN_FLIGHT_MAX", "1")]).await;
    let client = gateway.client.clone();
    let working = tokio::spawn(async move { client.get("/orders/7").await });
    tokio::time::timeout(WAIT_MAX, calls.recv()).await.unwrap().unwrap();
    assert_refused(gateway.address(), 503).await;
    working.abort();
}
