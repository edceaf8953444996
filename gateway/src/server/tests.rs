//! The server over real connections.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use http::{Request, StatusCode, Version};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use service_kit::metrics::Registry;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::*;
use crate::{load_limits, routes};

mod unfinished_connections;

/// Longer than any test takes.
const TEST_TIMEOUT: Duration = Duration::from_secs(120);

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Running {
    async fn start(gateway: impl Into<GatewayService>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let (gateway, stop) = (gateway.into(), shutdown.clone());
        let serving = tokio::spawn(async move {
            let config = load_limits::Config::default();
            serve(listener, gateway, None, &config, limiter(), &Readiness::default(), &stop).await;
        });
        Self { address, shutdown, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        timeout(TEST_TIMEOUT, self.serving).await.unwrap().unwrap();
    }
}

fn limiter() -> ConnectionLimiter {
    let metrics = ConnectionMetrics::register(&mut Registry::default());
    ConnectionLimiter::new(&load_limits::Config::default(), metrics)
}

/// Reads until the server closes the connection.
async fn read_to_end(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    timeout(TEST_TIMEOUT, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    String::from_utf8(bytes).unwrap()
}

/// A router whose handler signals its start by the first semaphore, and responds when the second has a
/// permit.
fn blocking_router() -> (Router, Arc<Semaphore>, Arc<Semaphore>) {
    let (entered, release) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let inside = (entered.clone(), release.clone());
    let handler = move || async move {
        inside.0.add_permits(1);
        drop(inside.1.acquire().await);
        "done"
    };
    (Router::new().route("/", get(handler)), entered, release)
}

#[tokio::test]
async fn a_client_that_is_still_sending_receives_413() {
    let running = Running::start(GatewayService::new(routes::tests::state())).await;
    let (mut reader, mut writer) = running.connect().await.into_split();
    let sending = tokio::spawn(async move {
        let head = "POST /orders HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
        let head = format!("{head}content-length: 8000000\r\n\r\n");
        writer.write_all(head.as_bytes()).await.unwrap();
        writer.write_all(&vec![b' '; 8_000_000]).await.unwrap();
        writer
    });
    let response = read_to_end(&mut reader).await;
    assert!(
        response.starts_with("HTTP/1.1 413 ") && response.contains("\r\nconnection: close\r\n"),
        "{response}"
    );
    assert!(response.contains("idempotency-key: "));
    sending.await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn no_100_continue_for_a_body_that_is_too_large() {
    let running = Running::start(GatewayService::new(routes::tests::state())).await;
    let mut stream = running.connect().await;
    let head =
        "POST /orders HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n";
    stream.write_all(format!("{head}content-length: 70000\r\n\r\n").as_bytes()).await.unwrap();
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 413 "));
    running.stop().await;
}

#[tokio::test]
async fn an_order_with_expect_gets_100_continue() {
    let running = Running::start(GatewayService::new(routes::tests::state())).await;
    let mut stream = running.connect().await;
    let head =
        "POST /orders HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n";
    stream
        .write_all(format!("{head}connection: close\r\ncontent-length: 2\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{}").await.unwrap();
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 400 "));
    running.stop().await;
}

#[tokio::test]
async fn shutdown_completes_requests_in_flight_and_then_closes() {
    let (router, entered, release) = blocking_router();
    let running = Running::start(router).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    drop(entered.acquire().await);
    running.shutdown.cancel();
    release.add_permits(1);
    let response = read_to_end(&mut stream).await;
    assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("done"), "{response}");
    assert!(response.contains("\r\nconnection: close\r\n"));
    running.stop().await;
}

#[tokio::test]
async fn a_request_just_after_the_shutdown_gets_a_response() {
    let running = Running::start(Router::new().route("/", get(async || "here"))).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut first = vec![0; 1024];
    let read = stream.read(&mut first).await.unwrap();
    assert!(first[..read].ends_with(b"here"));
    running.shutdown.cancel();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let response = read_to_end(&mut stream).await;
    assert!(response.starts_with("HTTP/1.1 200 ") && response.contains("connection: close"), "{response}");
    running.stop().await;
}

#[tokio::test]
async fn idle_connections_do_not_delay_a_shutdown() {
    let running = Running::start(Router::new().route("/", get(async || "here"))).await;
    let silent = running.connect().await;
    let mut idle = running.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(idle.read(&mut [0; 1024]).await.unwrap() > 0);
    let began = Instant::now();
    running.stop().await;
    assert!(began.elapsed() < limits::HEAD_READ_MAX / 3);
    drop(silent);
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_head_does_not_delay_a_shutdown() {
    for start in ["P", "PRI * HTTP/2.0\r\n", "POST /orders HTTP/1.1\r\nhost"] {
        let running = Running::start(Router::new()).await;
        let mut stream = running.connect().await;
        stream.write_all(start.as_bytes()).await.unwrap();
        let began = Instant::now();
        running.stop().await;
        assert!(began.elapsed() < 3 * limits::DRAIN_LINGER, "{start:?}: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_opened_during_shutdown_can_send_a_request() {
    let running = Running::start(Router::new().route("/", get(async || "here"))).await;
    let mut first = running.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(first.read(&mut [0; 1024]).await.unwrap() > 0);
    running.shutdown.cancel();
    sleep(limits::DRAIN_LINGER * 3 / 4).await;
    let mut late = running.connect().await;
    sleep(limits::DRAIN_LINGER / 2).await;
    assert!(TcpStream::connect(running.address).await.is_err(), "the listener is open");
    late.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let response = read_to_end(&mut late).await;
    assert!(response.starts_with("HTTP/1.1 200 ") && response.contains("connection: close"), "{response}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_is_closed() {
    let running = Running::start(Router::new()).await;
    for start in [&b""[..], b"P", b"POST /orders HTTP/1.1\r\nhost"] {
        let mut stream = running.connect().await;
        stream.write_all(start).await.unwrap();
        // The server sends nothing, or 408 for the incomplete head.
        read_to_end(&mut stream).await;
    }
}

#[tokio::test]
async fn a_client_that_begins_with_http_2_is_served_http_2() {
    let running = Running::start(GatewayService::new(routes::tests::state())).await;
    let io = TokioIo::new(running.connect().await);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let driven = tokio::spawn(connection);
    let uri = format!("http://{}/livez", running.address);
    let request = Request::get(uri).body(Empty::<bytes::Bytes>::new()).unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!((response.version(), response.status()), (Version::HTTP_2, StatusCode::OK));
    running.stop().await;
    driven.await.unwrap().unwrap();
}
