//! Transparent retries (gRFC A6), the retry buffer, and streaming.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use grpc_client::{Failure, RETRY_BUFFER_BYTES_MAX};
use tokio::sync::mpsc;
use tonic::{Code, Status};

use crate::{
    backend::{Backend, Handler},
    client::{balanced, builder, call, channel_by, failure, retrying},
    http2_peer::{
        Frame::{Close, Data, Headers, Reset, Trailers, TrailersOnly},
        GRPC, Http2Peer, OK, REFUSED_STREAM, framed,
    },
    network::refused_address,
    raw_request::{code_of, frame, send_pieces, send_whole},
};

/// Statuses that promise that the call did nothing.
fn is_not_started(status: &Status) -> bool {
    status.message() == "full"
}

#[tokio::test]
async fn only_calls_not_started_are_retried_without_a_policy() {
    let full = Status::resource_exhausted("full");
    let mut pushback = full.clone();
    pushback.metadata_mut().insert("grpc-retry-pushback-ms", "-1".parse().unwrap());
    let (down, unknown_full) = (Status::unavailable("down"), Status::unavailable("full"));
    for (statuses, has_predicate, calls) in [
        ([Some(&full), Some(&full), None], true, [1, 1, 1]),
        ([Some(&full); 3], true, [1, 1, 1]),
        ([Some(&down); 3], true, [1, 0, 0]),
        ([Some(&unknown_full); 3], false, [1, 0, 0]),
        // Pushback of one server applies to all endpoints.
        ([Some(&pushback); 3], true, [1, 0, 0]),
    ] {
        let (backends, entered) = Backend::start_each::<3>(|index, entered| match statuses[index] {
            Some(status) => Handler::failing(status.clone(), entered),
            None => Handler::echo_after(Duration::ZERO, entered),
        });
        let mut builder =
            builder(&balanced("pick_first"), &backends.each_ref().map(|backend| backend.address));
        if has_predicate {
            builder = builder.not_started_when(is_not_started);
        }
        let error = call(&builder.build().unwrap(), 1).await.err();
        let found = error.as_ref().map(|status| (Failure::of(status), status.code(), status.message()));
        let expected = statuses[2].map(|status| (Failure::ServerStatus, status.code(), status.message()));
        assert_eq!(found, expected, "{statuses:?}");
        assert_eq!(entered.each_ref().map(|count| count.load(Ordering::Relaxed)), calls, "{statuses:?}");
    }
}

/// Retries of calls not started must not add load when all servers are full.
#[tokio::test]
async fn transparent_retries_of_calls_not_started_are_throttled() {
    let (backends, entered) =
        Backend::start_each::<3>(|_, entered| Handler::failing(Status::resource_exhausted("full"), entered));
    let config = r#"{"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}}"#;
    let addresses = backends.each_ref().map(|backend| backend.address);
    let channel = builder(config, &addresses).not_started_when(is_not_started).build().unwrap();
    let attempts = async |calls: usize| {
        let all = || entered.iter().map(|count| count.load(Ordering::Relaxed)).sum::<usize>();
        let before = all();
        for _ in 0..calls {
            call(&channel, 1).await.unwrap_err();
        }
        all() - before
    };
    assert!(attempts(10).await < 20);
    assert_eq!(attempts(10).await, 10);
}

/// gRFC A6 does not count transparent retries.
#[tokio::test]
async fn transparent_retry_sends_no_previous_attempts() {
    let address = Http2Peer::responding(vec![Reset(REFUSED_STREAM)]).await;
    let backend = Backend::start(Handler::new(|request| async move {
        let previous = request.metadata().get("grpc-previous-rpc-attempts");
        Err(Status::not_found(previous.map_or("none", |previous| previous.to_str().unwrap())))
    }));
    let status = call(&channel_by(&retrying(""), &[address, backend.address]), 1).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "none"));
}

/// A server that sends the body of each request to the receiver, and returns UNAVAILABLE.
async fn collecting() -> (std::net::SocketAddr, mpsc::UnboundedReceiver<Vec<u8>>) {
    let (sender, bodies) = mpsc::unbounded_channel();
    let (address, _script) = Http2Peer::scripted(move |mut peer| async move {
        while let Some((stream, body)) = peer.next_request().await {
            let _ = sender.send(body);
            peer.send(stream, TrailersOnly(vec![GRPC, ("grpc-status", "14")])).await;
        }
    })
    .await;
    (address, bodies)
}

#[tokio::test]
async fn request_is_buffered_up_to_the_limit_and_a_longer_one_is_sent_once() {
    for (length, attempts) in [(RETRY_BUFFER_BYTES_MAX, 3), (RETRY_BUFFER_BYTES_MAX + 1, 1)] {
        let body: Vec<_> = (0..=250).cycle().take(length).collect();
        let (address, mut bodies) = collecting().await;
        let response = send_whole(&channel_by(&retrying(""), &[address]), body.clone()).await.unwrap();
        assert_eq!(code_of(response).await.unwrap(), Code::Unavailable);
        for _ in 0..attempts {
            assert!(bodies.recv().await.unwrap() == body);
        }
        assert!(bodies.try_recv().is_err(), "more than {attempts}");
    }
}

#[tokio::test]
async fn streaming_request_is_sent_once() {
    let (address, mut bodies) = collecting().await;
    let channel = channel_by(&retrying(""), &[address]);
    let (sender, pieces) = mpsc::channel(1);
    let call = tokio::spawn(async move { send_pieces(&channel, pieces).await });
    let messages: Vec<_> = (0..40).map(|number| framed(&[number; 5000])).collect();
    for message in &messages {
        sender.send(Bytes::from(message.clone())).await.unwrap();
    }
    drop(sender);
    assert_eq!(code_of(call.await.unwrap().unwrap()).await.unwrap(), Code::Unavailable);
    assert!(bodies.recv().await.unwrap() == messages.concat());
    assert!(bodies.try_recv().is_err(), "sent again");
}

#[tokio::test]
async fn streaming_call_to_a_refusing_endpoint_never_ran() {
    let (_open, pieces) = mpsc::channel(1);
    let status = send_pieces(&channel_by(&retrying(""), &[refused_address()]), pieces).await.unwrap_err();
    assert_eq!(Failure::of(&status), Failure::NeverRan);
}

#[tokio::test]
async fn streaming_response_arrives_message_by_message() {
    let (received, mut is_received) = mpsc::channel::<()>(1);
    let (address, _script) = Http2Peer::scripted(move |mut peer| async move {
        let stream = peer.request().await;
        peer.send(stream, Headers(vec![GRPC])).await;
        for number in 1..=3 {
            peer.send(stream, Data(framed(&[8, number]))).await;
            // The next message is sent after the client has this one.
            is_received.recv().await.unwrap();
        }
        peer.send(stream, Trailers(vec![OK])).await;
        peer.keep_open().await;
    })
    .await;
    let channel = channel_by(&retrying(""), &[address]);
    let mut body = send_whole(&channel, framed(&[8, 1])).await.unwrap().into_body();
    for number in 1..=3 {
        assert_eq!(frame(&mut body).await.unwrap().into_data().unwrap(), framed(&[8, number]));
        received.send(()).await.unwrap();
    }
    let trailers = frame(&mut body).await.unwrap().into_trailers().unwrap();
    assert_eq!(trailers.get("grpc-status").unwrap(), "0");
}

/// Without a policy, at most one attempt of a call runs.
#[tokio::test]
async fn connection_loss_is_not_retried_without_a_policy() {
    let address = Http2Peer::responding(vec![Close]).await;
    let entered = Arc::new(AtomicUsize::new(0));
    let backend = Backend::start(Handler::echo_after(Duration::ZERO, &entered));
    let channel = channel_by(&balanced("pick_first"), &[address, backend.address]);
    assert_eq!(failure(call(&channel, 1).await), Failure::ConnectionLost);
    assert_eq!(entered.load(Ordering::Relaxed), 0);
}
