//! One connection, made when it is first needed, shared, and made anew when it is lost.

use std::{net::Ipv4Addr, time::Duration};

use grpc_client::Failure;
use tokio::net::TcpListener;

use crate::{
    backend::{Backend, Handler, own_ip},
    client::{BOUND, call, channel_to, failure},
    http2_peer::{GRPC, Wire, framed},
};

#[tokio::test]
async fn a_channel_connects_only_when_it_is_used_and_clones_share_the_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let channel = channel_to(listener.local_addr().unwrap());
    let moment = Duration::from_millis(20);
    assert!(tokio::time::timeout(moment, listener.accept()).await.is_err(), "connected before it was used");

    let calls: Vec<_> = (0..3)
        .map(|id| {
            let clone = channel.clone();
            tokio::spawn(async move { call(&clone, id).await.unwrap() })
        })
        .collect();
    let mut wire = Wire::accept(&listener, None).await;
    for _ in 0..3 {
        let stream = wire.request().await;
        wire.head(stream, GRPC).await;
        wire.data(stream, &framed(&[8, 1])).await;
        wire.trailers(stream, &[("grpc-status", "0")]).await;
    }
    for call in calls {
        call.await.unwrap();
    }
    assert!(tokio::time::timeout(moment, listener.accept()).await.is_err(), "connected a second time");
}

#[tokio::test]
async fn a_channel_finds_a_server_that_came_later() {
    let backend = Backend::start(Handler::echo());
    let address = backend.address;
    backend.kill().await;
    let channel = channel_to(address);
    assert_eq!(failure(call(&channel, 1).await), Failure::NeverRan);
    let _backend = Backend::start_at(address, Handler::echo());
    call(&channel, 2).await.unwrap();
}

#[tokio::test]
async fn a_channel_finds_a_server_that_was_killed_and_started_again() {
    let mut backend = Backend::start(Handler::echo());
    let channel = channel_to(backend.address);
    for id in 1..=5 {
        call(&channel, id).await.unwrap();
        let address = backend.address;
        backend.kill().await;
        backend = Backend::start_at(address, Handler::echo());
        // The channel may learn of the loss only by the next call.
        let mut ended = call(&channel, id).await;
        if ended.is_err() {
            ended = call(&channel, id).await;
        }
        assert_eq!(ended.unwrap().into_inner().order_id, id);
    }
}

#[tokio::test]
async fn a_call_refused_by_one_connection_is_taken_by_the_next() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let channel = channel_to(listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut first = Wire::accept(&listener, None).await;
        let stream = first.request().await;
        first.go_away(stream - 1, crate::http2_peer::NO_ERROR).await;
        let mut second = Wire::accept(&listener, None).await;
        let stream = second.request().await;
        second.head_only(stream, &[GRPC[0], ("grpc-status", "5")]).await;
        second.stall().await;
    });
    // The call that was refused is made anew by the channel itself.
    let ended = tokio::time::timeout(BOUND, call(&channel, 1)).await.unwrap();
    assert_eq!(failure(ended), Failure::ServerStatus);
    served.abort();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// What a connection needs of its runtime is gone with that.
#[test]
fn a_channel_connects_anew_after_the_end_of_the_runtime_that_it_connected_in() {
    let backend = Backend::start(Handler::echo());
    let others = runtime();
    let _entered = others.enter();
    let channel = channel_to(backend.address);
    for id in 0..3 {
        runtime().block_on(call(&channel, id)).unwrap();
    }
}

#[test]
fn a_channel_connects_anew_after_the_end_of_the_runtime_that_it_was_connecting_in() {
    let listener = std::net::TcpListener::bind((own_ip(), 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let others = runtime();
    let _entered = others.enter();
    let channel = channel_to(address);
    let moment = Duration::from_millis(50);
    runtime().block_on(async { tokio::time::timeout(moment, call(&channel, 1)).await }).unwrap_err();
    drop(listener);
    let _backend = Backend::start_at(address, Handler::echo());
    runtime().block_on(call(&channel, 2)).unwrap();
}
