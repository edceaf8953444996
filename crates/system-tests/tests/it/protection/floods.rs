//! HTTP/2 rapid reset (CVE-2023-44487), and floods of header fields.

use std::net::SocketAddr;

use h2::{Reason, client};
use http::{Method, Request};
use tokio::net::TcpStream;

use super::order;
use crate::support::{Client, process::Process};

/// The number of connections, one after the other.
const CONNECTIONS: usize = 20;
/// The number of resets after which the gateway must have closed the connection.
const RESETS_MAX: usize = 20_000;
/// The limit on memory growth of the process.
const GROWTH_KIB_MAX: u64 = 64 * 1024;

/// Resets streams until the gateway closes the connection; returns the number of resets.
async fn flood(gateway: SocketAddr, path: &str) -> usize {
    let stream = TcpStream::connect(gateway).await.unwrap();
    let (mut sender, connection) = client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for reset in 0..RESETS_MAX {
        sender = match sender.ready().await {
            Ok(sender) => sender,
            Err(_) => return reset,
        };
        let request = Request::get(format!("http://{gateway}{path}")).body(()).unwrap();
        match sender.send_request(request, false) {
            Ok((_, mut stream)) => stream.send_reset(Reason::CANCEL),
            Err(_) => return reset,
        }
        // Lets the connection's task write, so that each stream is opened and reset separately.
        tokio::task::yield_now().await;
    }
    panic!("a connection is open after {RESETS_MAX} resets");
}

#[tokio::test(flavor = "multi_thread")]
async fn rapid_reset_flood_is_cut_off_in_bounded_memory() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    let ports = ["--gateway-port", "0", "--order-port", "0", "--payment-port", "0", "--data", &directory];
    let mut process = Process::start(&ports, &[("RUST_LOG", "warn".to_owned())]);
    let url = process.url().await;
    let gateway: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
    let client = Client::new(url);
    assert_eq!(order(&client, &[]).await.status, 201);
    let before = process.peak_memory_kib();
    for connection in 0..CONNECTIONS {
        flood(gateway, if connection % 2 == 0 { "/orders/1" } else { "/livez" }).await;
        assert_eq!(order(&client, &[]).await.status, 201);
    }
    let growth = process.peak_memory_kib() - before;
    assert!(growth < GROWTH_KIB_MAX, "{growth} KiB");
    process.kill().await;
}

#[tokio::test]
async fn ten_thousand_header_fields_are_rejected() {
    let (system, client, _) = super::start(all_in_one::Options::default()).await;
    let names: Vec<String> = (0..10_000).map(|i| format!("x-{i}")).collect();
    let headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    for flooding in [Client::new(system.gateway_url()), Client::over_http2(system.gateway_url())] {
        let rejected = flooding.exchange(&Method::GET, "/livez", &headers, "").await;
        assert!(rejected.as_ref().map_or(true, |response| response.status == 431), "{rejected:?}");
        assert_eq!(order(&client, &[]).await.status, 201);
    }
}
