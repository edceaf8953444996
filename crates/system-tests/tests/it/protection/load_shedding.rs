//! The limit on requests in flight.

use std::time::{Duration, Instant};

use all_in_one::Options;
use serde_json::json;
use tokio::{sync::mpsc, task::JoinSet};

use super::{order, orders, start};
use crate::{
    backend::http2::Http2Server,
    gateway_fixture::{ALL_OPERATIONS, GatewayFixture, Operation},
    support::{
        WAIT_MAX,
        raw::{RawConnection, post_head},
        scrape,
    },
};

/// Time limit for a shed response on a loaded machine.
const SOON: Duration = Duration::from_secs(2);

#[tokio::test]
async fn excess_requests_are_shed_before_order() {
    let (sender, mut requests) = mpsc::unbounded_channel();
    let backend = Http2Server::hanging_reporting_to(sender).await;
    let gateway = GatewayFixture::start_with(backend.address, &[("REQUESTS_IN_FLIGHT_MAX", "2")]).await;
    let mut working = JoinSet::new();
    for _ in 0..2 {
        let client = gateway.client.clone();
        working.spawn(async move { order(&client, &[]).await });
        tokio::time::timeout(WAIT_MAX, requests.recv()).await.unwrap().unwrap();
    }
    for operation in ALL_OPERATIONS {
        let began = Instant::now();
        let shed = gateway.call(operation, &[]).await;
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        assert_eq!((shed.status.as_u16(), shed.header("retry-after")), (503, "1"), "{operation:?}");
        assert_eq!(shed.problem()["reason"], "NOT_STARTED");
    }
    assert!(requests.try_recv().is_err());
    // A client that disconnects releases its permit.
    working.shutdown().await;
    let freed = async {
        loop {
            let client = gateway.client.clone();
            let again = tokio::spawn(async move { order(&client, &[("grpc-timeout", "300m")]).await });
            if again.await.unwrap().status == 504 {
                return;
            }
        }
    };
    tokio::time::timeout(WAIT_MAX, freed).await.unwrap();
    assert_eq!(gateway.call(Operation::Get, &[("grpc-timeout", "100m")]).await.status, 504);
}

#[tokio::test]
async fn slow_bodies_hold_no_permits() {
    let (_system, client, gateway) = start(Options::default().var("REQUESTS_IN_FLIGHT_MAX", 1)).await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut connection = RawConnection::open(gateway).await;
        connection.send(post_head("Content-Length: 1000\r\n") + "{").await.unwrap();
        slow.push(connection);
    }
    for _ in 0..3 {
        assert_eq!(order(&client, &[]).await.status, 201);
    }
    for mut connection in slow {
        assert_eq!(connection.read_order_response().await.status, 408);
    }
}

#[tokio::test]
async fn shed_requests_create_no_orders() {
    let (system, client, _) = start(Options::default().var("REQUESTS_IN_FLIGHT_MAX", 4)).await;
    let mut clients = JoinSet::new();
    for _ in 0..64 {
        let client = client.clone();
        clients.spawn(async move { order(&client, &[]).await });
    }
    let responses = clients.join_all().await;
    let (placed, shed): (Vec<_>, Vec<_>) = responses.iter().partition(|response| response.status == 201);
    for response in &shed {
        assert_eq!(response.status, 503);
        assert_eq!(response.problem()["reason"], json!("NOT_STARTED"));
    }
    assert!(placed.len() >= 4 && !shed.is_empty(), "{} placed, {} shed", placed.len(), shed.len());
    assert_eq!(orders(&client, &[]).await, placed.len());
    let page = scrape::page(system.gateway_admin()).await;
    assert!(page.contains(&format!("gateway_requests_shed_total {}\n", shed.len())), "{page}");
}
