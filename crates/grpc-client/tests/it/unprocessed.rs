//! Calls that provably never reached a handler ("never ran"). No other call may be classified so.

use std::{
    net::Ipv4Addr,
    sync::{Arc, atomic::AtomicUsize},
};

use grpc_client::{CONNECT_TIMEOUT, Failure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};
use tonic::Code;

use crate::{
    backend::{Backend, Handler, own_ip},
    client::{call, call_by, channel_at, channel_to, failure, failure_and_code, result_of},
    http2_peer::{
        ENHANCE_YOUR_CALM,
        Frame::{GoAway, Reset, TrailersOnly},
        GRPC, Http2Peer, INTERNAL_ERROR, LastStream, NO_ERROR, REFUSED_STREAM,
    },
    network::{full_backlog, refused_address},
};

const NEVER_RAN: (Failure, Code) = (Failure::NeverRan, Code::Unavailable);

#[tokio::test]
async fn every_call_to_a_refusing_or_unknown_host() {
    for target in [&refused_address().to_string()[..], "nowhere.invalid:1", "dns:///nowhere.invalid:1"] {
        let channel = channel_at(target);
        for id in 1..=3 {
            let status = call(&channel, id).await.unwrap_err();
            assert_eq!((Failure::of(&status), status.code()), NEVER_RAN, "{target}");
            assert!(Failure::of(&status).never_ran());
        }
    }
}

/// Only the first call may have been written to the dead connection before its loss was noticed.
#[tokio::test]
async fn calls_after_the_server_of_an_idle_connection_was_killed() {
    for _ in 0..20 {
        let backend = Backend::start(Handler::echo());
        let channel = channel_to(backend.address);
        call(&channel, 1).await.unwrap();
        backend.kill().await;
        let first = failure(call(&channel, 2).await);
        assert!(matches!(first, Failure::NeverRan | Failure::ConnectionLost), "{first:?}");
        assert_eq!(failure(call(&channel, 3).await), Failure::NeverRan);
    }
}

/// The peer allows one stream, and closes the connection while other calls wait.
#[tokio::test]
async fn calls_queued_for_a_stream_when_the_connection_is_lost() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let channel = channel_to(listener.local_addr().unwrap());
    let start = |id| {
        let channel = channel.clone();
        tokio::spawn(async move { failure(call(&channel, id).await) })
    };
    let first = start(0);
    let mut peer = Http2Peer::accept(&listener, Some(1)).await;
    let stream = peer.request().await;
    peer.send(stream, TrailersOnly(vec![GRPC, ("grpc-status", "5")])).await;
    assert_eq!(first.await.unwrap(), Failure::ServerStatus);
    // By now the client has the peer's limit.
    let calls = [1, 2, 3].map(start);
    peer.request().await;
    drop((peer, listener));
    let mut failures = Vec::new();
    for call in calls {
        failures.push(call.await.unwrap());
    }
    assert_eq!(failures, [Failure::ConnectionLost, Failure::NeverRan, Failure::NeverRan]);
}

#[tokio::test]
async fn stream_above_the_last_id_of_a_goaway() {
    for reason in [NO_ERROR, ENHANCE_YOUR_CALM, INTERNAL_ERROR] {
        let goaway = GoAway(LastStream::BeforeRequest, reason);
        assert_eq!(failure(result_of(&[goaway]).await), Failure::NeverRan, "{reason}");
    }
}

#[tokio::test]
async fn stream_refused_twice() {
    let (address, _script) = Http2Peer::scripted(|mut peer| async move {
        // Without another endpoint, the channel retries such a call once on the same one.
        for _ in 0..2 {
            let stream = peer.request().await;
            peer.send(stream, Reset(REFUSED_STREAM)).await;
        }
        peer.keep_open().await;
    })
    .await;
    assert_eq!(failure_and_code(call(&channel_to(address), 1).await), NEVER_RAN);
}

#[tokio::test]
async fn call_whose_deadline_passed_before_it_was_sent() {
    let entered = Arc::new(AtomicUsize::new(0));
    let backend = Backend::start(Handler::failing(tonic::Status::ok(""), &entered));
    let result = call_by(&channel_to(backend.address), 1, Instant::now()).await;
    assert_eq!(failure_and_code(result), (Failure::NeverRan, Code::DeadlineExceeded));
    assert_eq!(entered.load(std::sync::atomic::Ordering::Relaxed), 0);
}

/// A full backlog never completes a connection. A listener without a process behind it, like a frozen one,
/// completes it and sends nothing.
#[tokio::test]
async fn connecting_to_an_unresponsive_peer_ends_after_the_connect_timeout() {
    let (full, _backlog) = full_backlog((own_ip(), 0).into()).await;
    let silent = TcpListener::bind((own_ip(), 0)).await.unwrap();
    tokio::time::pause();
    for address in [full, silent.local_addr().unwrap()] {
        let started = Instant::now();
        let failure = failure(call(&channel_to(address), 1).await);
        assert_eq!((failure, started.elapsed().as_secs()), (Failure::NeverRan, CONNECT_TIMEOUT.as_secs()));
    }
}

/// Detected before a call is sent.
#[tokio::test]
async fn peer_without_http2() {
    for response in [&b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"[..], b""] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let channel = channel_to(listener.local_addr().unwrap());
        let peer = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            drop(listener);
            stream.read_u8().await.unwrap();
            stream.write_all(response).await.unwrap();
        });
        assert_eq!(failure(call(&channel, 1).await), Failure::NeverRan);
        peer.await.unwrap();
    }
}
