//! Graceful shutdown under load: accepted requests complete, and no reported order is lost.

use std::{net::SocketAddr, path::Path, time::Duration};

use service_kit::process::DRAIN_MAX;
use tokio::net::TcpStream;

use crate::{
    processes::{common_vars, database_vars, with_vars},
    support::{
        Client, EXAMPLE, eventually, free_address,
        process::Process,
        raw::{RawConnection, post, post_head},
    },
};
use load::{Load, LoadKind};

mod load;
mod rolling_restart;

/// Time limit for a shutdown without requests in flight.
const IDLE_STOP_MAX: Duration = Duration::from_secs(3);
/// An HTTP/2 preface with SETTINGS, of a client that reads nothing.
const HTTP2_PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// A credit limit that no test here reaches.
const CREDIT: (&str, &str) = ("PAYMENT_CREDIT_LIMIT", "1000000");

/// Starts the whole system as one process; returns it with the address of its gateway.
async fn start(data: &Path) -> (Process, SocketAddr) {
    let data = data.to_str().expect("text");
    let arguments = ["--data", data, "--gateway-port=0", "--order-port=0", "--payment-port=0"];
    let environment = [(CREDIT.0, CREDIT.1.to_owned()), ("RUST_LOG", "warn".to_owned())];
    let mut system = Process::start(&arguments, &environment);
    let address = system.url().await.trim_start_matches("http://").parse().expect("an address");
    (system, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_under_load_drops_no_accepted_request() {
    let data = tempfile::tempdir().unwrap();
    let (system, gateway) = start(data.path()).await;
    let kinds = [(LoadKind::KeepAlive, 20), (LoadKind::NewConnections, 6), (LoadKind::Http2, 6)];
    let mut load = Load::start(gateway, &kinds);
    load.wait_for_paid(200).await;
    let exit = system.terminate(DRAIN_MAX).await;
    assert_eq!(exit.code, Some(0), "{:#?}", exit.stderr);
    assert!(!exit.stderr.iter().any(|line| line.contains("in flight after")), "{:#?}", exit.stderr);

    let records = load.stop().await;
    assert_eq!(records.len(), 32);
    for record in &records {
        // Services stop in the order gateway, Order, Payment, so no request meets a stopped
        // service.
        assert_eq!((record.not_started, record.not_charged.len()), (0, 0), "{record:?}");
        // Only a connection in the listener's backlog at the end was not accepted.
        let may_miss = usize::from(matches!(record.kind, LoadKind::NewConnections));
        assert!(record.unanswered <= may_miss, "{record:?}");
    }
    let (_system, gateway) = start(data.path()).await;
    let client = Client::new(format!("http://{gateway}"));
    for record in records {
        record.assert_matches_stored_orders(&client).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_in_progress_completes_after_sigterm() {
    let data = tempfile::tempdir().unwrap();
    let (system, gateway) = start(data.path()).await;
    let mut connection = RawConnection::open(gateway).await;
    let head = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", EXAMPLE.len());
    connection.send(post_head(&head)).await.unwrap();
    // 100 Continue shows that the gateway has accepted the request.
    assert_eq!(connection.read_unchecked().await.unwrap().unwrap().status, 100);
    let (begun, rest) = EXAMPLE.split_at(40);
    connection.send(begun).await.unwrap();

    system.signal("TERM").await;
    eventually("the gateway accepts no more connections", || async {
        TcpStream::connect(gateway).await.is_err().then_some(())
    })
    .await;
    connection.send(rest).await.unwrap();
    let placed = connection.read_order_response().await;
    assert_eq!((placed.status.as_u16(), placed.header("connection")), (201, "close"));
    let exit = system.wait().await;
    assert_eq!(exit.code, Some(0), "{:#?}", exit.stderr);

    let (_system, gateway) = start(data.path()).await;
    let read = Client::new(format!("http://{gateway}")).get(placed.header("location")).await;
    assert_eq!(read.text(), placed.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_do_not_delay_shutdown() {
    let data = tempfile::tempdir().unwrap();
    let (system, gateway) = start(data.path()).await;
    let unused = RawConnection::open(gateway).await;
    let mut keep_alive = RawConnection::open(gateway).await;
    keep_alive.send(post("", EXAMPLE)).await.unwrap();
    assert_eq!(keep_alive.read_order_response().await.status, 201);
    let mut partial_head = RawConnection::open(gateway).await;
    partial_head.send("POST /orders HTTP/1.1\r\nHost:").await.unwrap();
    let http2 = Client::over_http2(format!("http://{gateway}"));
    assert_eq!(http2.get("/livez").await.status, 200);

    let exit = system.terminate(IDLE_STOP_MAX).await;
    assert_eq!(exit.code, Some(0), "{:#?}", exit.stderr);
    for (name, mut connection) in
        [("unused", unused), ("keep-alive", keep_alive), ("partial head", partial_head)]
    {
        assert!(connection.is_closed().await, "{name}");
    }
}

/// A process of each program with silent, frozen and half-open connections at both of its listeners.
#[tokio::test(flavor = "multi_thread")]
async fn unfinished_connections_do_not_delay_the_shutdown_of_a_process() {
    let data = tempfile::tempdir().unwrap();
    for service in ["payment", "order", "gateway"] {
        let admin = free_address();
        let mut environment = with_vars(common_vars("production"), &database_vars(data.path(), service));
        environment.retain(|(name, _)| *name != "ADMIN_ADDRESS");
        environment.push(("ADMIN_ADDRESS", admin.to_string()));
        environment.push(("PAYMENT_SERVICE_URL", free_address().to_string()));
        environment.push(("ORDER_SERVICE_URL", free_address().to_string()));
        environment.push(("PRICE_LIST", "none".to_owned()));
        let mut process = Process::start(&[service], &environment);
        let address = process.address().await;
        let mut connections = Vec::new();
        for address in [address, admin] {
            for start in ["", "P", "GET / HTTP/1.1\r\nHost", HTTP2_PREFACE] {
                let mut connection = RawConnection::open(address).await;
                connection.send(start).await.unwrap();
                connections.push(connection);
            }
        }
        let exit = process.terminate(IDLE_STOP_MAX).await;
        assert_eq!(exit.code, Some(0), "{service}: {:#?}", exit.stderr);
        let last = exit.stderr.last().expect("a line");
        assert!(last.contains("that clients keep open") && last.contains("\"connections\":"), "{last}");
        assert!(!exit.stderr.iter().any(|line| line.contains("ERROR")), "{:#?}", exit.stderr);
    }
}
