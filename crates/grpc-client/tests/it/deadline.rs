//! A call ends at its deadline even if the peer does not respond, and the server receives a shorter timeout.

use std::{sync::Arc, time::Duration};

use grpc_client::{DEADLINE_DEFAULT, Failure};
use tokio::{sync::mpsc, time::Instant};
use tonic::{Code, Status};

use crate::{
    backend::{Backend, Handler},
    client::{BOUND, call, call_by, channel_to, eventually, failure},
    http2_peer::{
        Frame::{Data, Headers},
        GRPC, Http2Peer,
    },
};

/// How late a call may end; tokio's timers have a resolution of 1 ms.
const LATE_MAX: Duration = Duration::from_millis(20);

/// A backend whose handler never returns. Reports when the handler is entered and when its future is dropped.
fn hanging() -> (Backend, mpsc::UnboundedReceiver<&'static str>) {
    struct ReportDrop(mpsc::UnboundedSender<&'static str>);
    impl Drop for ReportDrop {
        fn drop(&mut self) {
            let _ = self.0.send("dropped");
        }
    }
    let (sender, events) = mpsc::unbounded_channel();
    let backend = Backend::start(Handler::new(move |_| {
        let _ = sender.send("entered");
        let guard = ReportDrop(sender.clone());
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    }));
    (backend, events)
}

/// Asserts that `status` is that of the client's own deadline, and that the call ended in time.
fn assert_on_time(status: &Status, deadline: Instant) {
    assert_eq!((Failure::of(status), status.code()), (Failure::DeadlineExceeded, Code::DeadlineExceeded));
    let late = Instant::now().saturating_duration_since(deadline);
    assert!(Instant::now() >= deadline && late < LATE_MAX, "{late:?} late");
}

#[tokio::test]
async fn call_ends_on_time_and_its_handler_is_cancelled() {
    let (backend, mut events) = hanging();
    let deadline = Instant::now() + Duration::from_secs(9);
    let channel = channel_to(backend.address);
    let call = tokio::spawn(async move {
        let status = call_by(&channel, 1, deadline).await.unwrap_err();
        assert_on_time(&status, deadline);
        channel
    });
    assert_eq!(events.recv().await, Some("entered"));
    tokio::time::pause();
    let _open = call.await.unwrap();
    tokio::time::resume();
    assert_eq!(tokio::time::timeout(BOUND, events.recv()).await, Ok(Some("dropped")));
}

#[tokio::test]
async fn call_without_a_deadline_has_the_default_one() {
    let (backend, mut events) = hanging();
    let channel = channel_to(backend.address);
    let started = Instant::now();
    let call = tokio::spawn(async move { failure(call(&channel, 1).await) });
    assert_eq!(events.recv().await, Some("entered"));
    tokio::time::pause();
    assert_eq!(call.await.unwrap(), Failure::DeadlineExceeded);
    assert_eq!(started.elapsed().as_secs(), DEADLINE_DEFAULT.as_secs());
}

#[tokio::test]
async fn response_that_stalls_ends_on_time_and_its_stream_is_reset() {
    let (stalled, mut stalls) = mpsc::unbounded_channel();
    let (address, script) = Http2Peer::scripted(move |mut peer| async move {
        let stream = peer.request().await;
        peer.send(stream, Headers(vec![GRPC])).await;
        peer.send(stream, Data(vec![0, 0, 0, 0, 2, 8])).await;
        stalled.send(()).unwrap();
        assert_eq!(peer.reset_by_client().await, Some(stream));
    })
    .await;
    let deadline = Instant::now() + Duration::from_secs(3);
    let channel = channel_to(address);
    let open = channel.clone();
    let call = tokio::spawn(async move { call_by(&channel, 1, deadline).await.unwrap_err() });
    stalls.recv().await.unwrap();
    tokio::time::pause();
    assert_on_time(&call.await.unwrap(), deadline);
    tokio::time::resume();
    script.await.unwrap();
    drop(open);
}

#[tokio::test]
async fn server_receives_less_time_than_the_client_has() {
    let timeouts = Arc::default();
    let backend = Backend::start(Handler::recording_timeouts(Duration::ZERO, &timeouts));
    let channel = channel_to(backend.address);
    for time in [1, 30, 3600].map(Duration::from_secs) {
        call_by(&channel, 1, Instant::now() + time).await.unwrap();
        let sent = timeouts.lock().unwrap().pop().unwrap();
        assert!(sent < time && time - sent < Duration::from_secs(1), "{time:?} was sent as {sent:?}");
    }
}

#[tokio::test]
async fn dropped_call_cancels_its_handler() {
    let (backend, mut events) = hanging();
    let channel = channel_to(backend.address);
    let call = tokio::spawn(async move {
        let _ = call(&channel, 1).await;
    });
    assert_eq!(events.recv().await, Some("entered"));
    call.abort();
    eventually("the handler is dropped", || events.try_recv() == Ok("dropped")).await;
}
