//! Calls that provably never reached a handler: nothing else may be told so.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use grpc_client::Failure;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};
use tonic::Code;

use crate::{
    backend::{Backend, Handler, own_ip},
    client::{call, call_by, channel_at, channel_to, failure},
    http2_peer::{self, GRPC, Wire},
    network::full_backlog,
};

#[tokio::test]
async fn a_refused_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let channel = channel_to(address);
    // Not only the first time: the failure to connect is that of each call.
    for id in 1..=3 {
        let status = call(&channel, id).await.unwrap_err();
        assert_eq!((Failure::of(&status), status.code()), (Failure::NeverRan, Code::Unavailable));
        assert!(Failure::of(&status).never_ran());
    }
}

#[tokio::test]
async fn a_host_name_that_does_not_resolve() {
    for target in ["nowhere.invalid:1", "dns:///nowhere.invalid:1"] {
        assert_eq!(failure(call(&channel_at(target), 1).await), Failure::NeverRan, "{target}");
    }
}

/// Only the first call may have been written to the dead connection before it was seen to be dead.
#[tokio::test]
async fn calls_after_an_idle_connection_s_server_has_died() {
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

/// The peer takes one call at a time, and dies while others wait for their turn.
#[tokio::test]
async fn a_call_still_queued_when_its_connection_died() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let channel = channel_to(listener.local_addr().unwrap());
    let start = |id| {
        let channel = channel.clone();
        tokio::spawn(async move { failure(call(&channel, id).await) })
    };
    let first = start(0);
    let mut wire = Wire::accept(&listener, Some(1)).await;
    let stream = wire.request().await;
    wire.head_only(stream, &[GRPC[0], ("grpc-status", "5")]).await;
    assert_eq!(first.await.unwrap(), Failure::ServerStatus);
    // By now the client knows that one stream may be open.
    let calls = [1, 2, 3].map(start);
    wire.request().await;
    drop((wire, listener));
    let mut ended = Vec::new();
    for call in calls {
        ended.push(call.await.unwrap());
    }
    assert_eq!(ended, [Failure::ConnectionLost, Failure::NeverRan, Failure::NeverRan]);
}

#[tokio::test]
async fn a_stream_above_the_last_id_of_a_goaway() {
    for reason in [http2_peer::NO_ERROR, http2_peer::ENHANCE_YOUR_CALM, http2_peer::INTERNAL_ERROR] {
        let (address, _played) = Wire::playing(move |mut wire| async move {
            let stream = wire.request().await;
            wire.go_away(stream - 1, reason).await;
            wire.stall().await;
        })
        .await;
        assert_eq!(failure(call(&channel_to(address), 1).await), Failure::NeverRan, "{reason}");
    }
}

#[tokio::test]
async fn a_stream_that_the_peer_refused() {
    let (address, _played) = Wire::playing(|mut wire| async move {
        // The channel tries such a call once more, for lack of another endpoint.
        for _ in 0..2 {
            let stream = wire.request().await;
            wire.reset(stream, http2_peer::REFUSED_STREAM).await;
        }
        wire.stall().await;
    })
    .await;
    let status = call(&channel_to(address), 1).await.unwrap_err();
    assert_eq!((Failure::of(&status), status.code()), (Failure::NeverRan, Code::Unavailable));
}

#[tokio::test]
async fn a_call_whose_deadline_has_passed_before_it_is_sent() {
    let calls = Arc::new(AtomicUsize::new(0));
    let backend = {
        let calls = calls.clone();
        Backend::start(Handler::new(move |_| {
            calls.fetch_add(1, Ordering::Relaxed);
            async { Err(tonic::Status::ok("")) }
        }))
    };
    let status = call_by(&channel_to(backend.address), 1, Instant::now()).await.unwrap_err();
    assert_eq!((Failure::of(&status), status.code()), (Failure::NeverRan, Code::DeadlineExceeded));
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

/// A connection attempt that is never answered: the kernel drops what comes to a full backlog.
#[tokio::test]
async fn a_connect_that_never_completes_ends_by_its_own_bound() {
    let (address, _full) = full_backlog((own_ip(), 0).into()).await;
    tokio::time::pause();
    let started = Instant::now();
    let ended = failure(call(&channel_to(address), 1).await);
    assert_eq!(
        (ended, started.elapsed().as_secs()),
        (Failure::NeverRan, grpc_client::CONNECT_TIMEOUT.as_secs())
    );
}

/// Such a peer is found out before any call is sent to it.
#[tokio::test]
async fn a_peer_that_speaks_only_http_1() {
    for answer in [&b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"[..], b""] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let channel = channel_to(listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            drop(listener);
            stream.read_u8().await.unwrap();
            stream.write_all(answer).await.unwrap();
        });
        assert_eq!(failure(call(&channel, 1).await), Failure::NeverRan);
        served.await.unwrap();
    }
}

/// The kernel takes connections for a process that is frozen.
#[tokio::test]
async fn a_peer_that_takes_a_connection_and_says_nothing() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let started = Instant::now();
    let ended = failure(call(&channel_to(listener.local_addr().unwrap()), 1).await);
    assert_eq!(
        (ended, started.elapsed().as_secs()),
        (Failure::NeverRan, grpc_client::CONNECT_TIMEOUT.as_secs())
    );
}
