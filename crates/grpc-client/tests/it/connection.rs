//! Connections: made on first use, shared by clones, and replaced when lost.

use std::{net::Ipv4Addr, time::Duration};

use grpc_client::Failure;
use tokio::net::TcpListener;

use crate::{
    backend::{Backend, Handler, own_ip},
    client::{BOUND, call, channel_to, failure},
    http2_peer::{
        Frame::{Data, GoAway, Headers, Trailers, TrailersOnly},
        GRPC, Http2Peer, LastStream, NO_ERROR, OK, framed,
    },
};

#[tokio::test]
async fn channel_connects_on_first_use_and_clones_share_the_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let channel = channel_to(listener.local_addr().unwrap());
    let moment = Duration::from_millis(20);
    assert!(tokio::time::timeout(moment, listener.accept()).await.is_err(), "connected before first use");

    let calls: Vec<_> = (0..3)
        .map(|id| {
            let clone = channel.clone();
            tokio::spawn(async move { call(&clone, id).await.unwrap() })
        })
        .collect();
    let mut peer = Http2Peer::accept(&listener, None).await;
    for _ in 0..3 {
        let stream = peer.request().await;
        for frame in [Headers(vec![GRPC]), Data(framed(&[8, 1])), Trailers(vec![OK])] {
            peer.send(stream, frame).await;
        }
    }
    for call in calls {
        call.await.unwrap();
    }
    assert!(tokio::time::timeout(moment, listener.accept()).await.is_err(), "connected a second time");
}

#[tokio::test]
async fn channel_reconnects_to_a_server_that_was_killed_and_restarted() {
    let mut backend = Backend::start(Handler::echo());
    let channel = channel_to(backend.address);
    for id in 1..=5 {
        call(&channel, id).await.unwrap();
        let address = backend.address;
        backend.kill().await;
        backend = Backend::start_at(address, Handler::echo());
        // The channel may notice the loss only by the next call.
        let mut result = call(&channel, id).await;
        if result.is_err() {
            result = call(&channel, id).await;
        }
        assert_eq!(result.unwrap().into_inner().order_id, id);
    }
}

#[tokio::test]
async fn call_refused_by_a_closing_connection_is_retried_on_a_new_one() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let channel = channel_to(listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut first = Http2Peer::accept(&listener, None).await;
        let stream = first.request().await;
        first.send(stream, GoAway(LastStream::BeforeRequest, NO_ERROR)).await;
        let mut second = Http2Peer::accept(&listener, None).await;
        let stream = second.request().await;
        second.send(stream, TrailersOnly(vec![GRPC, ("grpc-status", "5")])).await;
        second.keep_open().await;
    });
    let result = tokio::time::timeout(BOUND, call(&channel, 1)).await.unwrap();
    assert_eq!(failure(result), Failure::ServerStatus);
    server.abort();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The task of a connection ends with its runtime.
#[test]
fn channel_reconnects_after_the_runtime_of_its_connection_ended() {
    let backend = Backend::start(Handler::echo());
    let build_runtime = runtime();
    let _entered = build_runtime.enter();
    let channel = channel_to(backend.address);
    for id in 0..3 {
        runtime().block_on(call(&channel, id)).unwrap();
    }
}

#[test]
fn channel_reconnects_after_the_runtime_ended_during_connecting() {
    let listener = std::net::TcpListener::bind((own_ip(), 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let build_runtime = runtime();
    let _entered = build_runtime.enter();
    let channel = channel_to(address);
    let moment = Duration::from_millis(50);
    runtime().block_on(async { tokio::time::timeout(moment, call(&channel, 1)).await }).unwrap_err();
    drop(listener);
    let _backend = Backend::start_at(address, Handler::echo());
    runtime().block_on(call(&channel, 2)).unwrap();
}
