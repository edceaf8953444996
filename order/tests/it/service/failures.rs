//! Payment is unreachable, hangs, is killed or is another server: the status matches the evidence about the
//! charge.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use axum::{Router, http::StatusCode};
use proto::order::OrderStatus;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tonic::Code;

use super::{
    Client, RunningOrder, not_charged, order_id,
    orders::{create, create_within, keyed, request},
    outcome_unknown, start,
    status_fixture::StatusFixture,
    status_of, until,
};

/// The status is OUTCOME_UNKNOWN, and the order is PENDING.
async fn assert_outcome_unknown(client: &Client) {
    let status = create(client, request()).await.unwrap_err();
    let id = order_id(&status);
    assert_eq!(StatusFixture::from_status(&status), outcome_unknown(id));
    assert_eq!(status_of(client, id).await, OrderStatus::Pending);
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn unreachable_payment_is_not_charged() {
    let (listener, unused) = listen().await;
    drop(listener);
    let service = RunningOrder::start(unused).await;
    let client = service.client().await;
    let status = create(&client, keyed("k")).await.unwrap_err();
    let id = order_id(&status);
    assert_eq!(StatusFixture::from_status(&status), not_charged(id));
    assert_eq!(status_of(&client, id).await, OrderStatus::NotCharged);
    let again = create(&client, keyed("k")).await.unwrap_err();
    assert_eq!(StatusFixture::from_status(&again), not_charged(id));
}

#[tokio::test]
async fn hanging_payment_is_outcome_unknown_in_time_and_settles_later() {
    let (client, payment, service) = start().await;
    let charge = payment.hold();
    let (timeout, started) = (Duration::from_millis(800), Instant::now());
    let status = create_within(&client, request(), timeout).await.unwrap_err();
    assert!(started.elapsed() < timeout, "{:?}", started.elapsed());
    let id = order_id(&status);
    assert_eq!(StatusFixture::from_status(&status), outcome_unknown(id));
    assert_eq!(status_of(&client, id).await, OrderStatus::Pending);
    charge.add_permits(1);
    until("the order is settled", async || (status_of(&client, id).await == OrderStatus::Paid).then_some(()))
        .await;
    assert_eq!(payment.calls().len(), 1);
    service.stop().await;
}

#[tokio::test]
async fn order_settles_after_the_client_disconnects_during_the_charge() {
    let (client, payment, service) = start().await;
    let charge = payment.hold();
    let client_task = tokio::spawn({
        let client = client.clone();
        async move { create(&client, keyed("k")).await }
    });
    payment.called(1).await;
    client_task.abort();
    assert!(client_task.await.is_err());
    charge.add_permits(1);
    let replay = create(&client, keyed("k")).await.unwrap();
    assert!(replay.replayed);
    assert_eq!(payment.calls().len(), 1);
    service.stop().await;
}

#[tokio::test]
async fn payment_killed_during_the_call_is_outcome_unknown() {
    let (client, mut payment, _order) = start().await;
    // The connection has served a call before, as in production.
    assert!(create(&client, request()).await.is_ok());
    let _never = payment.hold();
    let client_task = tokio::spawn({
        let client = client.clone();
        async move { assert_outcome_unknown(&client).await }
    });
    payment.called(2).await;
    payment.kill();
    client_task.await.unwrap();
    // A later call provably reaches no server.
    let status = create(&client, request()).await.unwrap_err();
    assert_eq!(StatusFixture::from_status(&status), not_charged(order_id(&status)));
}

#[tokio::test]
async fn http_server_instead_of_payment_is_outcome_unknown() {
    for (code, body) in [
        (StatusCode::OK, "<html>hello</html>"),
        (StatusCode::NOT_FOUND, "not found"),
        (StatusCode::BAD_GATEWAY, "<html>bad gateway</html>"),
        (StatusCode::SERVICE_UNAVAILABLE, ""),
    ] {
        let (listener, proxy) = listen().await;
        let router = Router::new().fallback(move || async move { (code, body) });
        let served = tokio::spawn(async move { axum::serve(listener, router).await });
        let service = RunningOrder::start(proxy).await;
        assert_outcome_unknown(&service.client().await).await;
        served.abort();
    }
}

#[tokio::test]
async fn peer_that_closes_the_connection_is_outcome_unknown() {
    for response in ["", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"] {
        let (listener, peer) = listen().await;
        let served = tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                // An empty SETTINGS frame (RFC 9113 §6.5): without one, the client sends no call.
                socket.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
                // Preface, settings and headers of the call: the peer may have acted on it.
                let mut read = Vec::new();
                while read.len() < 200 && socket.read_buf(&mut read).await.unwrap() > 0 {}
                socket.write_all(response.as_bytes()).await.unwrap();
            }
        });
        let service = RunningOrder::start(peer).await;
        assert_outcome_unknown(&service.client().await).await;
        served.abort();
    }
}

#[tokio::test]
async fn deadline_that_leaves_no_time_is_not_started() {
    let (client, payment, _order) = start().await;
    let status = create_within(&client, request(), Duration::from_millis(550)).await.unwrap_err();
    let status = StatusFixture::from_status(&status);
    assert_eq!(status.code, Code::Unavailable);
    assert_eq!(status.reason, Some(("order".to_owned(), "NOT_STARTED".to_owned())));
    assert_eq!((status.payment.len(), status.metadata.len()), (0, 0));
    assert_eq!(status.retry_after, Some(Duration::from_secs(1)));
    let listed =
        client.clone().list(proto::order::ListOrdersRequest { user_id: 123, ..Default::default() }).await;
    assert_eq!((listed.unwrap().into_inner().orders.len(), payment.calls().len()), (0, 0));
}
