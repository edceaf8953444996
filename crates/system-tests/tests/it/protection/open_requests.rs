//! Limits of requests between their head and their response.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use all_in_one::Options;
use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::{Method, Request, StatusCode, Version};
use tokio::{net::TcpSocket, task::JoinSet};

use super::{order, start};
use crate::support::{
    Client, EXAMPLE, eventually,
    process::Process,
    raw::{RawConnection, post, post_head},
    scrape,
};

/// Silent requests per HTTP/2 connection: the default of `STREAMS_PER_CONNECTION_MAX`.
const STREAMS: usize = 100;
/// Connections per client address.
const CONNECTIONS: usize = 20;
/// The defaults of `REQUESTS_PER_ADDRESS_MAX` and `REQUESTS_MAX`.
const REQUESTS_PER_ADDRESS: usize = 1_024;
const REQUESTS: usize = 4_096;
/// The growth of the process's memory by one client address.
const GROWTH_KIB_MAX: u64 = 64 * 1024;
/// The growth by all addresses. In this unoptimized build a request takes more memory than in a release.
const GROWTH_BY_ALL_KIB_MAX: u64 = 96 * 1024;
/// A rejection waits for nothing.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A `POST /orders` whose body is announced and never sent.
fn silent_post() -> String {
    post_head("Content-Length: 100\r\n")
}

async fn active_requests(admin: SocketAddr) -> usize {
    let page = scrape::page(admin).await;
    let active = page.lines().find_map(|line| line.strip_prefix("http_server_active_requests "));
    active.and_then(|active| active.parse().ok()).unwrap()
}

#[tokio::test]
async fn requests_beyond_the_limit_are_rejected_at_once_on_every_route() {
    let (system, client, gateway) = start(Options::default().var("REQUESTS_MAX", 2)).await;
    let mut silent = Vec::new();
    for _ in 0..2 {
        let mut connection = RawConnection::open(gateway).await;
        connection.send(silent_post()).await.unwrap();
        silent.push(connection);
    }
    eventually("both requests are open", async || {
        (active_requests(system.gateway_admin()).await == 2).then_some(())
    })
    .await;
    let began = Instant::now();
    let response = order(&client, &[("idempotency-key", "k")]).await;
    assert_eq!((response.status.as_u16(), response.header("retry-after")), (503, "1"));
    assert_eq!(
        (&response.problem()["reason"], response.header("idempotency-key")),
        (&"NOT_STARTED".into(), "k")
    );
    for path in ["/orders/1", "/orders?user_id=1", "/nothing", "/openapi.json", "/livez"] {
        let response = client.send(Method::GET, path, &[], "").await;
        assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{path}");
    }
    let mut another = RawConnection::open(gateway).await;
    another.send(silent_post()).await.unwrap();
    assert_eq!(another.read_order_response().await.status, 503);
    assert!(began.elapsed() < AT_ONCE * 5, "{:?}", began.elapsed());
    // A request whose client gives up is open no more.
    silent.pop();
    let body = &EXAMPLE[..EXAMPLE.len().min(100)];
    silent[0].send(format!("{body}{}", " ".repeat(100 - body.len()))).await.unwrap();
    assert_eq!(silent[0].read_order_response().await.status, 201);
    eventually("an order is placed", async || (order(&client, &[]).await.status == 201).then_some(())).await;
}

#[tokio::test]
async fn open_requests_are_limited_per_client_address() {
    let options = Options::default()
        .var("REQUESTS_PER_ADDRESS_MAX", 1)
        .var("TRUSTED_PROXIES", "127.0.0.1")
        .var("RATE_LIMIT_PER_ADDRESS", "1000/1");
    let (system, client, gateway) = start(options).await;
    let mut silent = RawConnection::open(gateway).await;
    silent.send(post_head("X-Forwarded-For: 192.0.2.1\r\nContent-Length: 100\r\n")).await.unwrap();
    eventually("the request is open", async || {
        (active_requests(system.gateway_admin()).await == 1).then_some(())
    })
    .await;
    for (address, status) in [("192.0.2.1", 503), ("192.0.2.2", 201), ("2001:db8::1", 201)] {
        let response = order(&client, &[("x-forwarded-for", address)]).await;
        assert_eq!(response.status, status, "{address}");
        // The rejection counts against the rate limit of its own address.
        assert!(response.header("ratelimit").starts_with("\"address\";r=999"), "{address}");
    }
}

#[tokio::test]
async fn the_heads_of_open_requests_are_limited_in_bytes() {
    let (system, _, gateway) = start(Options::default()).await;
    let field = format!("X-Padding: {}\r\n", "x".repeat(60_000));
    let head = post_head(&format!("{field}Content-Length: 100\r\n"));
    let mut silent = Vec::new();
    // Of one address, 4 MiB are 69 such heads.
    for _ in 0..69 {
        let mut connection = RawConnection::open(gateway).await;
        connection.send(&head).await.unwrap();
        silent.push(connection);
    }
    eventually("all requests are open", async || {
        (active_requests(system.gateway_admin()).await == 69).then_some(())
    })
    .await;
    let mut another = RawConnection::open(gateway).await;
    another.send(post(&field, EXAMPLE)).await.unwrap();
    assert_eq!(another.read_order_response().await.status, 503);
    let mut small = RawConnection::open(gateway).await;
    small.send(post("", EXAMPLE)).await.unwrap();
    assert_eq!(small.read_order_response().await.status, 201);
}

/// Connections from `address`, with their number of permitted streams.
async fn connect(gateway: SocketAddr, address: Ipv4Addr) -> Vec<SendRequest<Bytes>> {
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        let (sender, connection) = client::handshake(socket.connect(gateway).await.unwrap()).await.unwrap();
        tokio::spawn(connection);
        senders.push(sender.ready().await.unwrap());
    }
    senders
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_requests_cost_bounded_memory_and_do_not_block_other_addresses() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    let ports = ["--gateway-port", "0", "--order-port", "0", "--payment-port", "0", "--data", &directory];
    let mut process = Process::start(&ports, &[("RUST_LOG", "warn".to_owned())]);
    let url = process.url().await;
    let gateway: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
    let client = Client::new(url);
    assert_eq!(order(&client, &[]).await.status, 201);
    let before = process.peak_memory_kib();
    let (mut held, mut rejected) = (Vec::new(), 0);
    for last in 2..=5 {
        let mut senders = connect(gateway, Ipv4Addr::new(127, 0, 0, last)).await;
        let mut responses = JoinSet::new();
        for sender in &mut senders {
            for _ in 0..STREAMS {
                let request = Request::post(format!("http://{gateway}/orders"))
                    .version(Version::HTTP_2)
                    .header("content-type", "application/json");
                let (response, body) = sender.send_request(request.body(()).unwrap(), false).unwrap();
                responses.spawn(async move {
                    let response = response.await;
                    drop(body);
                    response
                });
            }
        }
        // The first responses are rejections: the other requests wait for their bodies.
        for _ in REQUESTS_PER_ADDRESS..CONNECTIONS * STREAMS {
            let response = responses.join_next().await.unwrap().unwrap().unwrap();
            assert!([503, 408].contains(&response.status().as_u16()), "{}", response.status());
            rejected += usize::from(response.status() == StatusCode::SERVICE_UNAVAILABLE);
        }
        held.push((senders, responses));
        let growth = process.peak_memory_kib() - before;
        if last == 2 {
            assert!(growth < GROWTH_KIB_MAX, "{growth} KiB");
        }
        assert!(growth < GROWTH_BY_ALL_KIB_MAX, "{growth} KiB");
        // Another address is served while the total permits it.
        if held.len() * REQUESTS_PER_ADDRESS < REQUESTS {
            assert_eq!(order(&client, &[]).await.status, 201);
        }
    }
    assert!(rejected > 0);
    process.kill().await;
}
