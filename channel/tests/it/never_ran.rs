//! Calls that provably never reached a handler: nothing else may be told so.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use channel::Failure;
use tokio::{net::TcpListener, time::Instant};
use tonic::Code;

use crate::{
    backend::{Backend, Handler},
    client::{call, call_by, channel_to, failure},
    wire::{self, GRPC, Wire},
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
    let address: channel::Address = "nowhere.invalid:1".parse().unwrap();
    assert_eq!(failure(call(&channel::Channel::connect_lazy(&address), 1).await), Failure::NeverRan);
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
        assert!(matches!(first, Failure::NeverRan | Failure::Lost), "{first:?}");
        assert_eq!(failure(call(&channel, 3).await), Failure::NeverRan);
    }
}

/// hyper's `is_canceled`: the connection died before it took the request from its queue.
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
    assert_eq!(first.await.unwrap(), Failure::Answered);
    // By now the client knows that one stream may be open: of three calls one has it, one waits for its
    // place, and one is queued behind that.
    let calls = [1, 2, 3].map(start);
    wire.request().await;
    drop((wire, listener));
    let mut ended = Vec::new();
    for call in calls {
        ended.push(call.await.unwrap());
    }
    assert_eq!(ended, [Failure::Lost, Failure::Lost, Failure::NeverRan]);
}

#[tokio::test]
async fn a_stream_above_the_last_id_of_a_goaway() {
    for reason in [wire::NO_ERROR, wire::ENHANCE_YOUR_CALM, wire::INTERNAL_ERROR] {
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
        let stream = wire.request().await;
        wire.reset(stream, wire::REFUSED_STREAM).await;
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
    let (address, _full) = full_backlog().await;
    tokio::time::pause();
    let started = Instant::now();
    let ended = failure(call(&channel_to(address), 1).await);
    assert_eq!((ended, started.elapsed().as_secs()), (Failure::NeverRan, channel::CONNECT_TIMEOUT.as_secs()));
}

/// An address whose listener takes no more connections, and what keeps it so.
async fn full_backlog() -> (SocketAddr, impl Sized) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    let wait = std::time::Duration::from_millis(100);
    while let Ok(connected) = tokio::time::timeout(wait, tokio::net::TcpStream::connect(address)).await {
        filling.push(connected.unwrap());
        assert!(filling.len() < 100, "the backlog never fills");
    }
    (address, (listener, filling))
}
