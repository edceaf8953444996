//! A stop under load: nothing that was accepted is cut, and nothing that was told is lost.

use std::{net::SocketAddr, path::Path, time::Duration};

use service_kit::process::DRAIN_MAX;
use tokio::net::TcpStream;

use crate::support::{
    Client,
    process::Process,
    raw::{Raw, post, post_head},
    until,
};
use load::{Load, Manner};

mod alone;
mod load;

const EXAMPLE: &str =
    r#"{"user_id":123,"order_items":[{"product_code":"sku1","unit_price":0.12,"quantity":1}]}"#;
/// How long a stop may take that has nothing to wait for.
const IDLE_STOP_MAX: Duration = Duration::from_secs(10);
/// More than any test here can spend.
const CREDIT: (&str, &str) = ("PAYMENT_CREDIT_LIMIT", "1000000");

/// The whole system as a process of its own, and where its gateway is.
async fn start(data: &Path) -> (Process, SocketAddr) {
    let data = data.to_str().expect("text");
    let arguments = ["--data", data, "--gateway-port=0", "--order-port=0", "--payment-port=0"];
    let environment = [(CREDIT.0, CREDIT.1.to_owned()), ("RUST_LOG", "warn".to_owned())];
    let mut system = Process::start(&arguments, &environment);
    let address = system.url().await.trim_start_matches("http://").parse().expect("an address");
    (system, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_cuts_nothing_and_loses_nothing() {
    let data = tempfile::tempdir().unwrap();
    let (system, gateway) = start(data.path()).await;
    // In the manner of most clients, of those that open a connection for each request, and of HTTP/2.
    let manners = [(Manner::Keeping, 20), (Manner::Reconnecting, 6), (Manner::Multiplexing, 6)];
    let mut load = Load::start(gateway, &manners);
    load.paid_more(200).await;
    let ended = system.terminate(DRAIN_MAX).await;
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    assert!(!ended.log.iter().any(|line| line.contains("in flight after")), "{:#?}", ended.log);

    let told = load.end().await;
    assert_eq!(told.len(), 32);
    for told in &told {
        // The order of the stop, from the caller to the callee, leaves no reason to refuse.
        assert_eq!((told.not_started, told.not_charged.len()), (0, 0), "{told:?}");
        // Only what stands in the backlog of the listener at its end was not accepted.
        let may_miss = usize::from(matches!(told.manner, Manner::Reconnecting));
        assert!(told.unanswered <= may_miss, "{told:?}");
    }
    let (_stack, gateway) = start(data.path()).await;
    let client = Client::new(format!("http://{gateway}"));
    for told in told {
        told.held_against_what_is_there(&client).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_begun_is_finished_after_the_stop() {
    let data = tempfile::tempdir().unwrap();
    let (system, gateway) = start(data.path()).await;
    let mut connection = Raw::open(gateway).await;
    let head = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", EXAMPLE.len());
    connection.send(post_head(&head)).await.unwrap();
    // Whoever is asked for the body has been accepted.
    assert_eq!(connection.unchecked().await.unwrap().unwrap().status, 100);
    let (begun, rest) = EXAMPLE.split_at(40);
    connection.send(begun).await.unwrap();

    system.signal("TERM").await;
    until("the gateway accepts no more", || async {
        TcpStream::connect(gateway).await.is_err().then_some(())
    })
    .await;
    connection.send(rest).await.unwrap();
    let placed = connection.placed().await;
    assert_eq!((placed.status.as_u16(), placed.header("connection")), (201, "close"));
    let ended = system.end().await;
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);

    let (_stack, gateway) = start(data.path()).await;
    let read = Client::new(format!("http://{gateway}")).get(placed.header("location")).await;
    assert_eq!(read.text(), placed.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unused_connection_holds_up_no_stop() {
    let data = tempfile::tempdir().unwrap();
    let (system, gateway) = start(data.path()).await;
    let mut unused = Raw::open(gateway).await;
    let ended = system.terminate(IDLE_STOP_MAX).await;
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    assert!(unused.ends().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_holds_up_no_stop() {
    let data = tempfile::tempdir().unwrap();
    let (system, gateway) = start(data.path()).await;
    let mut used = Raw::open(gateway).await;
    used.send(post("", EXAMPLE)).await.unwrap();
    assert_eq!(used.placed().await.status, 201);
    let ended = system.terminate(IDLE_STOP_MAX).await;
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    assert!(used.ends().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_http_2_connection_holds_up_no_stop() {
    let data = tempfile::tempdir().unwrap();
    let (system, gateway) = start(data.path()).await;
    let http2 = Client::over_http2(format!("http://{gateway}"));
    assert_eq!(http2.get("/livez").await.status, 200);
    let ended = system.terminate(IDLE_STOP_MAX).await;
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_head_holds_up_no_stop() {
    let data = tempfile::tempdir().unwrap();
    let (system, gateway) = start(data.path()).await;
    let mut begun = Raw::open(gateway).await;
    begun.send("POST /orders HTTP/1.1\r\nHost:").await.unwrap();
    let ended = system.terminate(IDLE_STOP_MAX).await;
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    assert!(begun.ends().await);
}
