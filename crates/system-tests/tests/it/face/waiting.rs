//! `Prefer: wait`: an order that settles is told when it does, and no caller is kept for longer than it asks.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use proto::order::{GetOrderResponse, OrderStatus};
use tonic::Status;

use super::{order, read, rig};
use crate::{
    backend::scripted::Scripted,
    front::ORDER_ID,
    support::{raw::Raw, until},
};

/// Returns when Order was asked `count` times.
async fn asked(backend: &Scripted, count: usize) {
    until("Order is asked again", async || (backend.gets() >= count).then_some(())).await;
}

#[tokio::test]
async fn an_order_that_settles_is_told_at_once() {
    let (backend, front) = rig(OrderStatus::Pending, &[]).await;
    let begun = Instant::now();
    let settle = async {
        asked(&backend, 2).await;
        backend.get(order(OrderStatus::Paid));
    };
    let (answer, ()) = tokio::join!(read(&front, &[("prefer", "wait=9")]), settle);
    assert_eq!((answer.status, &answer.json()["status"]), (StatusCode::OK, &"PAID".into()));
    assert_eq!(answer.header("preference-applied"), "wait=9");
    assert!(answer.header("vary").contains("prefer") && !answer.header("etag").is_empty());
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_order_that_does_not_settle_is_told_as_it_is_when_the_time_is_over() {
    let (backend, front) = rig(OrderStatus::Pending, &[]).await;
    let begun = Instant::now();
    let answer = read(&front, &[("prefer", "respond-async, wait=2")]).await;
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!((answer.status, &answer.json()["status"]), (StatusCode::OK, &"PENDING".into()));
    assert_eq!((answer.header("preference-applied"), answer.header("cache-control")), ("wait=2", "no-store"));
    assert!((3..=8).contains(&backend.gets()), "{} calls in two seconds", backend.gets());
}

#[tokio::test]
async fn the_deadline_of_the_request_ends_the_waiting_first() {
    let (_order, front) = rig(OrderStatus::Pending, &[]).await;
    let begun = Instant::now();
    let answer = read(&front, &[("prefer", "wait=99999999999"), ("grpc-timeout", "1500m")]).await;
    assert_eq!((answer.status, &answer.json()["status"]), (StatusCode::OK, &"PENDING".into()));
    assert!(begun.elapsed() >= Duration::from_millis(1000), "{:?}", begun.elapsed());
    let short = read(&front, &[("prefer", "wait=5"), ("grpc-timeout", "400m")]).await;
    assert_eq!((short.status, &short.json()["status"]), (StatusCode::OK, &"PENDING".into()));
}

#[tokio::test]
async fn whoever_does_not_ask_for_it_or_need_it_does_not_wait() {
    let (backend, front) = rig(OrderStatus::Pending, &[]).await;
    for preferred in ["wait", "wait=", "wait=-1", "wait=soon", "respond-async", ";wait=5"] {
        let answer = read(&front, &[("prefer", preferred)]).await;
        assert_eq!((answer.status, answer.header("preference-applied")), (StatusCode::OK, ""), "{preferred}");
    }
    assert_eq!(backend.gets(), 6);
    assert_eq!(read(&front, &[("prefer", "wait=0")]).await.header("preference-applied"), "wait=0");
    for status in [OrderStatus::Paid, OrderStatus::Declined, OrderStatus::NotCharged, OrderStatus::Voided] {
        backend.get(order(status));
        assert_eq!(read(&front, &[("prefer", "wait=9")]).await.header("preference-applied"), "wait=9");
    }
    assert_eq!(backend.gets(), 11);
}

#[tokio::test]
async fn an_order_that_cannot_be_read_again_is_told_as_it_was_last() {
    let (backend, front) = rig(OrderStatus::Pending, &[]).await;
    let fail = async {
        asked(&backend, 2).await;
        backend.fail(&Status::internal("broken"));
    };
    let (answer, ()) = tokio::join!(read(&front, &[("prefer", "wait=9")]), fail);
    assert_eq!((answer.status, &answer.json()["status"]), (StatusCode::OK, &"PENDING".into()));
}

#[tokio::test]
async fn a_caller_that_leaves_is_waited_for_no_longer() {
    let (backend, front) = rig(OrderStatus::Pending, &[]).await;
    let mut caller = Raw::open(front.address()).await;
    let request = format!("GET /orders/{ORDER_ID} HTTP/1.1\r\nHost: gateway\r\nPrefer: wait=9\r\n\r\n");
    caller.send(request).await.unwrap();
    asked(&backend, 2).await;
    drop(caller);
    // A pause is a second at most: were it still asking, it would within three.
    until("nobody is asked for three seconds", async || {
        let before = backend.gets();
        tokio::time::sleep(Duration::from_secs(3)).await;
        (backend.gets() == before).then_some(())
    })
    .await;
    assert!(backend.gets() < 6, "{} calls", backend.gets());
}

#[tokio::test]
async fn so_many_wait_and_the_next_is_answered_at_once() {
    // All may ask at the same time, and have time for it.
    let (backend, front) =
        rig(OrderStatus::Pending, &[("REQUESTS_IN_FLIGHT_MAX", "1000"), ("REQUEST_TIMEOUT_MS", "30000")])
            .await;
    // Of whatever order.
    let told = |status| backend.get(GetOrderResponse { order_id: 0, ..order(status) });
    told(OrderStatus::Pending);
    let orders = ORDER_ID + 1..=ORDER_ID + i64::try_from(gateway::limits::WAITING_MAX).unwrap();
    let callers: Vec<_> = orders
        .clone()
        .map(|id| {
            let client = front.client.clone();
            let path = format!("/orders/{id}");
            tokio::spawn(async move { client.send(Method::GET, &path, &[("prefer", "wait=29")], "").await })
        })
        .collect();
    // Who asks again has a place.
    until("all wait", async || orders.clone().all(|id| backend.gets_of(id) >= 2).then_some(())).await;
    let next = read(&front, &[("prefer", "wait=9")]).await;
    assert_eq!((next.status, next.header("preference-applied")), (StatusCode::OK, ""));
    told(OrderStatus::Paid);
    for caller in callers {
        assert_eq!(caller.await.unwrap().json()["status"], "PAID");
    }
    assert_eq!(read(&front, &[("prefer", "wait=1")]).await.header("preference-applied"), "wait=1");
}
