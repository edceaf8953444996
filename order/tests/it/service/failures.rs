//! A Payment that is not there, hangs, dies or is none: the caller is told the truth about the charge.

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
    Client, House, house, not_charged, order_id,
    orders::{create, create_within, keyed, request},
    outcome_unknown, status_of,
    told::Told,
    until,
};

/// The caller is told that the outcome is not known, and the order is PENDING.
async fn leaves_the_outcome_open(client: &Client) {
    let status = create(client, request()).await.unwrap_err();
    let id = order_id(&status);
    assert_eq!(Told::by(&status), outcome_unknown(id));
    assert_eq!(status_of(client, id).await, OrderStatus::Pending);
}

async fn on_any_port() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn a_payment_that_is_not_there_is_not_charged() {
    let (listener, nobody) = on_any_port().await;
    drop(listener);
    let house = House::start(nobody).await;
    let client = house.client().await;
    let status = create(&client, keyed("k")).await.unwrap_err();
    let id = order_id(&status);
    assert_eq!(Told::by(&status), not_charged(id));
    assert_eq!(status_of(&client, id).await, OrderStatus::NotCharged);
    let again = create(&client, keyed("k")).await.unwrap_err();
    assert_eq!(Told::by(&again), not_charged(id));
}

#[tokio::test]
async fn a_payment_that_hangs_is_answered_for_in_time_and_settles_when_it_wakes() {
    let (client, payment, house) = house().await;
    let charge = payment.hold();
    let (timeout, started) = (Duration::from_millis(800), Instant::now());
    let status = create_within(&client, request(), timeout).await.unwrap_err();
    assert!(started.elapsed() < timeout, "{:?}", started.elapsed());
    let id = order_id(&status);
    assert_eq!(Told::by(&status), outcome_unknown(id));
    assert_eq!(status_of(&client, id).await, OrderStatus::Pending);
    charge.add_permits(1);
    until("the order is settled", async || (status_of(&client, id).await == OrderStatus::Paid).then_some(()))
        .await;
    assert_eq!(payment.calls().len(), 1);
    house.stop().await;
}

#[tokio::test]
async fn a_caller_that_gives_up_in_mid_charge_leaves_an_order_that_settles() {
    let (client, payment, house) = house().await;
    let charge = payment.hold();
    let caller = tokio::spawn({
        let client = client.clone();
        async move { create(&client, keyed("k")).await }
    });
    payment.called(1).await;
    caller.abort();
    assert!(caller.await.is_err());
    charge.add_permits(1);
    let replay = create(&client, keyed("k")).await.unwrap();
    assert!(replay.replayed);
    assert_eq!(payment.calls().len(), 1);
    house.stop().await;
}

#[tokio::test]
async fn a_payment_that_is_killed_in_mid_call_leaves_the_outcome_open() {
    let (client, mut payment, _house) = house().await;
    // The connection has served a call before, as it has in life.
    assert!(create(&client, request()).await.is_ok());
    let _never = payment.hold();
    let caller = tokio::spawn({
        let client = client.clone();
        async move { leaves_the_outcome_open(&client).await }
    });
    payment.called(2).await;
    payment.kill();
    caller.await.unwrap();
    // Whoever comes after it provably reaches nobody.
    let status = create(&client, request()).await.unwrap_err();
    assert_eq!(Told::by(&status), not_charged(order_id(&status)));
}

#[tokio::test]
async fn a_web_server_in_payments_place_leaves_the_outcome_open() {
    for (code, body) in [
        (StatusCode::OK, "<html>hello</html>"),
        (StatusCode::NOT_FOUND, "not found"),
        (StatusCode::BAD_GATEWAY, "<html>bad gateway</html>"),
        (StatusCode::SERVICE_UNAVAILABLE, ""),
    ] {
        let (listener, proxy) = on_any_port().await;
        let router = Router::new().fallback(move || async move { (code, body) });
        let served = tokio::spawn(async move { axum::serve(listener, router).await });
        let house = House::start(proxy).await;
        leaves_the_outcome_open(&house.client().await).await;
        served.abort();
    }
}

#[tokio::test]
async fn a_peer_that_takes_the_call_and_hangs_up_leaves_the_outcome_open() {
    for answer in ["", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"] {
        let (listener, peer) = on_any_port().await;
        let served = tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                // An empty SETTINGS frame (RFC 9113, section 6.5): without one, no call is sent.
                socket.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
                // Preface, settings and the head of the call: enough to have acted on.
                let mut read = Vec::new();
                while read.len() < 200 && socket.read_buf(&mut read).await.unwrap() > 0 {}
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let house = House::start(peer).await;
        leaves_the_outcome_open(&house.client().await).await;
        served.abort();
    }
}

#[tokio::test]
async fn a_deadline_that_leaves_no_time_starts_nothing() {
    let (client, payment, _house) = house().await;
    let status = create_within(&client, request(), Duration::from_millis(550)).await.unwrap_err();
    let told = Told::by(&status);
    assert_eq!(told.code, Code::Unavailable);
    assert_eq!(told.reason, Some(("order".to_owned(), "NOT_STARTED".to_owned())));
    assert_eq!((told.payment.len(), told.metadata.len()), (0, 0));
    assert_eq!(told.retry_after, Some(Duration::from_secs(1)));
    let listed =
        client.clone().list(proto::order::ListOrdersRequest { user_id: 123, ..Default::default() }).await;
    assert_eq!((listed.unwrap().into_inner().orders.len(), payment.calls().len()), (0, 0));
}
