//! A call ends by its deadline, whatever the peer does, and the callee is told to give up first.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use grpc_client::{DEADLINE_DEFAULT, Failure};
use tokio::{sync::mpsc, time::Instant};
use tonic::{Code, Response, Status};

use crate::{
    backend::{Backend, Handler, order},
    client::{BOUND, call, call_by, channel_to, eventually, failure},
    http2_peer::{GRPC, Wire},
};

/// How far a deadline may be overshot: the timer's own grain is a millisecond.
const LATE_MAX: Duration = Duration::from_millis(20);

/// A backend whose handler never answers; it tells of each entry, and of each exit by being dropped.
fn hanging() -> (Backend, mpsc::UnboundedReceiver<&'static str>) {
    struct Told(mpsc::UnboundedSender<&'static str>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.send("dropped");
        }
    }
    let (tell, told) = mpsc::unbounded_channel();
    let backend = Backend::start(Handler::new(move |_| {
        let _ = tell.send("entered");
        let guard = Told(tell.clone());
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    }));
    (backend, told)
}

/// Asserts that `status` is our own deadline's, and that it came in time.
fn assert_on_time(status: &Status, deadline: Instant) {
    assert_eq!((Failure::of(status), status.code()), (Failure::DeadlineExceeded, Code::DeadlineExceeded));
    let late = Instant::now().saturating_duration_since(deadline);
    assert!(Instant::now() >= deadline && late < LATE_MAX, "{late:?} late");
}

#[tokio::test]
async fn a_call_in_a_handler_ends_on_time_and_the_handler_is_told() {
    let (backend, mut told) = hanging();
    let deadline = Instant::now() + Duration::from_secs(9);
    let channel = channel_to(backend.address);
    let called = tokio::spawn(async move {
        let status = call_by(&channel, 1, deadline).await.unwrap_err();
        assert_on_time(&status, deadline);
        channel
    });
    assert_eq!(told.recv().await, Some("entered"));
    tokio::time::pause();
    let _open = called.await.unwrap();
    tokio::time::resume();
    assert_eq!(tokio::time::timeout(BOUND, told.recv()).await, Ok(Some("dropped")));
}

#[tokio::test]
async fn a_call_without_a_deadline_has_the_default_one() {
    let (backend, mut told) = hanging();
    let channel = channel_to(backend.address);
    let started = Instant::now();
    let called = tokio::spawn(async move { failure(call(&channel, 1).await) });
    assert_eq!(told.recv().await, Some("entered"));
    tokio::time::pause();
    assert_eq!(called.await.unwrap(), Failure::DeadlineExceeded);
    assert_eq!(started.elapsed().as_secs(), DEADLINE_DEFAULT.as_secs());
}

#[tokio::test]
async fn an_answer_that_stalls_half_way_ends_on_time() {
    let (stalled, mut stalls) = mpsc::unbounded_channel();
    let (address, played) = Wire::playing(move |mut wire| async move {
        let stream = wire.request().await;
        wire.head(stream, GRPC).await;
        wire.data(stream, &[0, 0, 0, 0, 2, 8]).await;
        stalled.send(()).unwrap();
        // The client gives the stream up, so that neither side keeps anything for it.
        assert_eq!(wire.reset_by_client().await, Some(stream));
    })
    .await;
    let deadline = Instant::now() + Duration::from_secs(3);
    let channel = channel_to(address);
    let kept = channel.clone();
    let called = tokio::spawn(async move { call_by(&channel, 1, deadline).await.unwrap_err() });
    stalls.recv().await.unwrap();
    tokio::time::pause();
    assert_on_time(&called.await.unwrap(), deadline);
    tokio::time::resume();
    played.await.unwrap();
    drop(kept);
}

/// Our own deadline is told apart from a backend that says the same.
#[tokio::test]
async fn a_deadline_that_the_backend_says_has_passed_is_an_answer() {
    let backend = Backend::start(Handler::new(|_| async { Err(Status::deadline_exceeded("")) }));
    let status = call(&channel_to(backend.address), 1).await.unwrap_err();
    assert_eq!(Failure::of(&status), Failure::ServerStatus);
}

#[tokio::test]
async fn the_callee_is_given_less_time_than_the_caller_has() {
    let received = Arc::new(Mutex::new(Vec::new()));
    let backend = {
        let received = received.clone();
        Backend::start(Handler::new(move |request| {
            let timeout = request.metadata().get("grpc-timeout").unwrap().to_str().unwrap().to_owned();
            received.lock().unwrap().push(timeout);
            async move { Ok(Response::new(order(1))) }
        }))
    };
    let channel = channel_to(backend.address);
    for given in [1, 30, 3600].map(Duration::from_secs) {
        call_by(&channel, 1, Instant::now() + given).await.unwrap();
        let text = received.lock().unwrap().pop().unwrap();
        let (digits, unit) = text.split_at(text.len() - 1);
        let sent = match unit {
            "u" => Duration::from_micros(digits.parse().unwrap()),
            "m" => Duration::from_millis(digits.parse().unwrap()),
            other => panic!("{other}"),
        };
        assert!(sent < given && given - sent < Duration::from_secs(1), "{given:?} was sent as {text}");
    }
}

#[tokio::test]
async fn a_caller_that_gives_up_takes_its_call_along() {
    let (backend, mut told) = hanging();
    let channel = channel_to(backend.address);
    let called = tokio::spawn(async move {
        let _ = call(&channel, 1).await;
    });
    assert_eq!(told.recv().await, Some("entered"));
    called.abort();
    eventually("the handler is dropped", || told.try_recv() == Ok("dropped")).await;
}
