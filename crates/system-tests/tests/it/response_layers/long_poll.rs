//! Long polling with `Prefer: wait`.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use proto::order::{GetOrderResponse, OrderStatus};
use tonic::Status;

use super::{fixture, order, read};
use crate::{
    backend::scripted::ScriptedOrder,
    gateway_fixture::ORDER_ID,
    support::{eventually, raw::RawConnection},
};

/// Waits until Order has received `count` calls of `Get`.
async fn wait_for_gets(backend: &ScriptedOrder, count: usize) {
    eventually("Order receives another Get", async || (backend.get_count() >= count).then_some(())).await;
}

#[tokio::test]
async fn long_poll_returns_when_the_order_settles() {
    let (backend, gateway) = fixture(OrderStatus::Pending, &[]).await;
    let begun = Instant::now();
    let settle = async {
        wait_for_gets(&backend, 2).await;
        backend.set_get(order(OrderStatus::Paid));
    };
    let (response, ()) = tokio::join!(read(&gateway, &[("prefer", "wait=9")]), settle);
    assert_eq!((response.status, &response.json()["status"]), (StatusCode::OK, &"PAID".into()));
    assert_eq!(response.header("preference-applied"), "wait=9");
    assert!(response.header("vary").contains("prefer") && !response.header("etag").is_empty());
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn long_poll_returns_the_pending_order_after_the_wait() {
    let (backend, gateway) = fixture(OrderStatus::Pending, &[]).await;
    let begun = Instant::now();
    let response = read(&gateway, &[("prefer", "respond-async, wait=2")]).await;
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!((response.status, &response.json()["status"]), (StatusCode::OK, &"PENDING".into()));
    assert_eq!(
        (response.header("preference-applied"), response.header("cache-control")),
        ("wait=2", "no-store")
    );
    assert!((3..=8).contains(&backend.get_count()), "{} calls in two seconds", backend.get_count());
}

#[tokio::test]
async fn request_deadline_bounds_the_long_poll() {
    let (_order, gateway) = fixture(OrderStatus::Pending, &[]).await;
    let begun = Instant::now();
    let response = read(&gateway, &[("prefer", "wait=99999999999"), ("grpc-timeout", "1500m")]).await;
    assert_eq!((response.status, &response.json()["status"]), (StatusCode::OK, &"PENDING".into()));
    assert!(begun.elapsed() >= Duration::from_millis(1000), "{:?}", begun.elapsed());
    let short = read(&gateway, &[("prefer", "wait=5"), ("grpc-timeout", "400m")]).await;
    assert_eq!((short.status, &short.json()["status"]), (StatusCode::OK, &"PENDING".into()));
}

#[tokio::test]
async fn invalid_preferences_and_settled_orders_do_not_wait() {
    let (backend, gateway) = fixture(OrderStatus::Pending, &[]).await;
    for preferred in ["wait", "wait=", "wait=-1", "wait=soon", "respond-async", ";wait=5"] {
        let response = read(&gateway, &[("prefer", preferred)]).await;
        assert_eq!(
            (response.status, response.header("preference-applied")),
            (StatusCode::OK, ""),
            "{preferred}"
        );
    }
    assert_eq!(backend.get_count(), 6);
    assert_eq!(read(&gateway, &[("prefer", "wait=0")]).await.header("preference-applied"), "wait=0");
    for status in [OrderStatus::Paid, OrderStatus::Declined, OrderStatus::NotCharged, OrderStatus::Voided] {
        backend.set_get(order(status));
        assert_eq!(read(&gateway, &[("prefer", "wait=9")]).await.header("preference-applied"), "wait=9");
    }
    assert_eq!(backend.get_count(), 11);
}

#[tokio::test]
async fn long_poll_returns_the_last_read_order_when_order_fails() {
    let (backend, gateway) = fixture(OrderStatus::Pending, &[]).await;
    let fail = async {
        wait_for_gets(&backend, 2).await;
        backend.fail_all(&Status::internal("broken"));
    };
    let (response, ()) = tokio::join!(read(&gateway, &[("prefer", "wait=9")]), fail);
    assert_eq!((response.status, &response.json()["status"]), (StatusCode::OK, &"PENDING".into()));
}

#[tokio::test]
async fn client_disconnect_ends_the_long_poll() {
    let (backend, gateway) = fixture(OrderStatus::Pending, &[]).await;
    let mut client = RawConnection::open(gateway.address()).await;
    let request = format!("GET /orders/{ORDER_ID} HTTP/1.1\r\nHost: gateway\r\nPrefer: wait=9\r\n\r\n");
    client.send(request).await.unwrap();
    wait_for_gets(&backend, 2).await;
    drop(client);
    // The request continues for five seconds, since the client may have closed its half only. The poll
    // interval is at most a second, so a running poll would show within three seconds.
    eventually("no Get for three seconds", async || {
        let before = backend.get_count();
        tokio::time::sleep(Duration::from_secs(3)).await;
        (backend.get_count() == before).then_some(())
    })
    .await;
    // Twelve by the end of the preferred time.
    assert!(backend.get_count() < 10, "{} calls", backend.get_count());
}

#[tokio::test]
async fn long_poll_over_the_limit_returns_at_once() {
    // Limits high enough for all requests at once.
    let (backend, gateway) =
        fixture(OrderStatus::Pending, &[("REQUESTS_IN_FLIGHT_MAX", "1000"), ("REQUEST_TIMEOUT_MS", "30000")])
            .await;
    // Order id 0 matches every requested order.
    let set_status = |status| backend.set_get(GetOrderResponse { order_id: 0, ..order(status) });
    set_status(OrderStatus::Pending);
    let orders = ORDER_ID + 1..=ORDER_ID + i64::try_from(gateway::limits::LONG_POLLS_MAX).unwrap();
    let clients: Vec<_> = orders
        .clone()
        .map(|id| {
            let client = gateway.client.clone();
            let path = format!("/orders/{id}");
            tokio::spawn(async move { client.send(Method::GET, &path, &[("prefer", "wait=29")], "").await })
        })
        .collect();
    // A second call for an order shows that its long poll has a permit.
    eventually("all clients wait", async || {
        orders.clone().all(|id| backend.get_count_of(id) >= 2).then_some(())
    })
    .await;
    let next = read(&gateway, &[("prefer", "wait=9")]).await;
    assert_eq!((next.status, next.header("preference-applied")), (StatusCode::OK, ""));
    set_status(OrderStatus::Paid);
    for client in clients {
        assert_eq!(client.await.unwrap().json()["status"], "PAID");
    }
    assert_eq!(read(&gateway, &[("prefer", "wait=1")]).await.header("preference-applied"), "wait=1");
}
