//! The bound on requests in flight.

use std::time::{Duration, Instant};

use all_in_one::Options;
use serde_json::json;
use tokio::{sync::mpsc, task::JoinSet};

use super::{order, orders, start};
use crate::{
    backend::http2::Http2,
    front::{Ask, EVERY_ASK, Front},
    support::{
        PATIENCE, metrics,
        raw::{Raw, post_head},
    },
};

/// How soon a refusal must be there on a busy machine.
const SOON: Duration = Duration::from_secs(2);

#[tokio::test]
async fn one_too_many_is_shed_at_once_and_order_never_hears_of_it() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let backend = Http2::hanging_told_to(tell).await;
    let gateway = Front::with(backend.address, &[("REQUESTS_IN_FLIGHT_MAX", "2")]).await;
    let mut working = JoinSet::new();
    for _ in 0..2 {
        let client = gateway.client.clone();
        working.spawn(async move { order(&client, &[]).await });
        tokio::time::timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
    }
    for how in EVERY_ASK {
        let began = Instant::now();
        let shed = gateway.ask(how, &[]).await;
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        assert_eq!((shed.status.as_u16(), shed.header("retry-after")), (503, "1"), "{how:?}");
        assert_eq!(shed.problem()["reason"], "NOT_STARTED");
    }
    assert!(told.try_recv().is_err());
    // Whoever gives up gives the place back.
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
    tokio::time::timeout(PATIENCE, freed).await.unwrap();
    assert_eq!(gateway.ask(Ask::Get, &[("grpc-timeout", "100m")]).await.status, 504);
}

#[tokio::test]
async fn bodies_that_are_slow_take_no_places() {
    let (_stack, client, gateway) = start(Options::default().var("REQUESTS_IN_FLIGHT_MAX", 1)).await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut connection = Raw::open(gateway).await;
        connection.send(post_head("Content-Length: 1000\r\n") + "{").await.unwrap();
        slow.push(connection);
    }
    for _ in 0..3 {
        assert_eq!(order(&client, &[]).await.status, 201);
    }
    for mut connection in slow {
        assert_eq!(connection.placed().await.status, 408);
    }
}

#[tokio::test]
async fn what_was_shed_was_not_saved() {
    let (system, client, _) = start(Options::default().var("REQUESTS_IN_FLIGHT_MAX", 4)).await;
    let mut clients = JoinSet::new();
    for _ in 0..64 {
        let client = client.clone();
        clients.spawn(async move { order(&client, &[]).await });
    }
    let answers = clients.join_all().await;
    let (placed, shed): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    for answer in &shed {
        assert_eq!(answer.status, 503);
        assert_eq!(answer.problem()["reason"], json!("NOT_STARTED"));
    }
    assert!(placed.len() >= 4 && !shed.is_empty(), "{} placed, {} shed", placed.len(), shed.len());
    assert_eq!(orders(&client, &[]).await, placed.len());
    let page = metrics::page(system.gateway_admin()).await;
    assert!(page.contains(&format!("gateway_requests_shed_total {}\n", shed.len())), "{page}");
}
