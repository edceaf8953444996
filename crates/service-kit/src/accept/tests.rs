//! The accept loop over real sockets.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::AsyncReadExt,
    sync::Notify,
    time::{Instant, timeout},
};

use super::*;

/// Longer than any step of a test takes.
const BOUND: Duration = Duration::from_secs(20);

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Holds a connection until `release`.
async fn hold(stream: TcpStream, held: Arc<(AtomicUsize, Notify)>, opening: Option<Opening>) {
    held.0.fetch_add(1, Ordering::Relaxed);
    held.1.notified().await;
    drop((stream, opening));
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    timeout(BOUND, stream.read(&mut [0; 1])).await.unwrap().unwrap_or(0) == 0
}

#[tokio::test]
async fn connections_in_the_backlog_are_accepted_when_the_listener_closes() {
    let (listener, address) = listen().await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(TcpStream::connect(address).await.unwrap());
    }
    let served = Arc::new(AtomicUsize::new(0));
    let count = |stream: TcpStream, _, _| {
        let served = served.clone();
        Some(async move {
            served.fetch_add(1, Ordering::Relaxed);
            drop(stream);
        })
    };
    let tasks = Acceptor::new(listener, 8).close(count);
    assert!(TcpStream::connect(address).await.is_err(), "the listener is open");
    tasks.join_all().await;
    assert_eq!(served.load(Ordering::Relaxed), 8, "connections over the limit, or fewer");
    for mut client in clients {
        assert!(is_closed(&mut client).await);
    }
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_for_another_to_end() {
    let (listener, address) = listen().await;
    let held = Arc::new((AtomicUsize::new(0), Notify::new()));
    let mut acceptor = Acceptor::new(listener, 2);
    let serving = {
        let held = held.clone();
        tokio::spawn(async move {
            acceptor.accept(|stream, _, opening| Some(hold(stream, held.clone(), Some(opening)))).await;
        })
    };
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(TcpStream::connect(address).await.unwrap());
    }
    let reached = async |count| {
        let started = Instant::now();
        while held.0.load(Ordering::Relaxed) < count {
            assert!(started.elapsed() < BOUND, "{count} connections are not accepted");
            tokio::task::yield_now().await;
        }
    };
    reached(2).await;
    assert!(timeout(Duration::from_millis(100), reached(3)).await.is_err(), "the limit does not hold");
    held.1.notify_one();
    reached(3).await;
    serving.abort();
}

#[tokio::test]
async fn the_oldest_opening_connections_are_closed_and_no_others() {
    let (listener, address) = listen().await;
    let held = Arc::new((AtomicUsize::new(0), Notify::new()));
    let mut acceptor = Acceptor::new(listener, 4 * OPENING_MAX);
    let mut first = true;
    let serving = tokio::spawn(async move {
        let serve = |stream, _, opening| {
            let opening = Some(opening).filter(|_| !std::mem::take(&mut first));
            Some(hold(stream, held.clone(), opening))
        };
        acceptor.accept(serve).await;
    });
    let mut open = TcpStream::connect(address).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..OPENING_MAX + 3 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    for stream in &mut silent[..3] {
        assert!(is_closed(stream).await);
    }
    for stream in silent[3..].iter_mut().chain([&mut open]) {
        assert!(stream.try_read(&mut [0; 1]).is_err(), "a newer connection was closed");
    }
    serving.abort();
}

#[tokio::test(start_paused = true)]
async fn accept_pauses_without_resources_and_goes_on_after_aborted_connections() {
    let (listener, _) = listen().await;
    let mut acceptor = Acceptor::new(listener, 1);
    let mut pause = async |error: io::Error| {
        let started = Instant::now();
        acceptor.pause_after(&error).await;
        started.elapsed()
    };
    for errno in [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE, rustix::io::Errno::NOBUFS] {
        let paused = pause(errno.into()).await;
        assert!(paused >= ACCEPT_PAUSE, "{errno:?}: {paused:?}");
    }
    for errno in [rustix::io::Errno::CONNABORTED, rustix::io::Errno::NETUNREACH, rustix::io::Errno::PERM] {
        assert_eq!(pause(errno.into()).await, Duration::ZERO, "{errno:?}");
    }
}
