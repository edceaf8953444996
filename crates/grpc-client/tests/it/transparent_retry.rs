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
        Frame::{self, Close, Data, GoAway, Headers, Reset, Trailers, TrailersOnly},
        GRPC, Http2Peer, LastStream, NO_ERROR, OK, REFUSED_STREAM, framed,
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
        ([Some(&full), None, None], true, [1, 1, 0]),
        ([Some(&full), Some(&full), None], true, [1, 1, 0]),
        ([Some(&full), Some(&down), None], true, [1, 1, 0]),
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
        let last = calls.iter().rposition(|calls| *calls > 0).unwrap();
        let expected = statuses[last].map(|status| (Failure::ServerStatus, status.code(), status.message()));
        assert_eq!(found, expected, "{statuses:?}");
        assert_eq!(entered.each_ref().map(|count| count.load(Ordering::Relaxed)), calls, "{statuses:?}");
    }
}

/// The requests of one call to `endpoints` servers that each respond with `frame`.
async fn requests_of_one_call(config: &str, endpoints: usize, frame: &Frame) -> usize {
    let (mut addresses, mut counters) = (Vec::new(), Vec::new());
    for _ in 0..endpoints {
        let (address, requests) = Http2Peer::repeating(vec![frame.clone()]).await;
        addresses.push(address);
        counters.push(requests);
    }
    let channel = builder(config, &addresses).not_started_when(is_not_started).build().unwrap();
    call(&channel, 1).await.unwrap_err();
    counters.iter().map(|requests| requests.load(Ordering::Relaxed)).sum()
}

/// gRFC A6: a request that reached a server is repeated once, and then by the retry policy.
#[tokio::test]
async fn refused_call_is_sent_twice_whatever_the_number_of_endpoints() {
    let full = TrailersOnly(vec![GRPC, ("grpc-status", "14"), ("grpc-message", "full")]);
    let goaway = GoAway(LastStream::BeforeRequest, NO_ERROR);
    for (frame, alone) in [(Reset(REFUSED_STREAM), 2), (goaway, 2), (full, 1)] {
        for (endpoints, sent) in [(1, alone), (2, 2), (10, 2)] {
            for policy in ["round_robin", "pick_first", "least_loaded"] {
                let found = requests_of_one_call(&balanced(policy), endpoints, &frame).await;
                assert_eq!(found, sent, "{endpoints} endpoints, {policy}, {frame:?}");
            }
            let waiting = r#"{"methodConfig": [{"name": [{}], "waitForReady": true}]}"#;
            let found = requests_of_one_call(waiting, endpoints, &frame).await;
            assert_eq!(found, sent, "{endpoints} endpoints, waiting, {frame:?}");
            // The three attempts of the policy, and the transparent retry.
            let found = requests_of_one_call(&retrying(""), endpoints, &frame).await;
            assert_eq!(found, sent + 2, "{endpoints} endpoints, {frame:?}");
        }
    }
}

/// gRFC A6: a request that never left the client costs no server anything.
#[tokio::test]
async fn call_is_sent_to_the_only_one_of_ten_endpoints_that_accepts_connections() {
    for policy in ["round_robin", "pick_first", "least_loaded"] {
        let backend = Backend::start(Handler::echo());
        let mut addresses: Vec<_> = (0..9).map(|_| refused_address()).collect();
        addresses.push(backend.address);
        call(&channel_by(&balanced(policy), &addresses), 1).await.unwrap();
    }
}

/// Without `retryThrottling`, 49 of 100 tokens are spent before transparent retries stop.
#[tokio::test]
async fn transparent_retries_of_refused_calls_are_throttled_without_configuration() {
    let (first, first_requests) = Http2Peer::repeating(vec![Reset(REFUSED_STREAM)]).await;
    let (second, second_requests) = Http2Peer::repeating(vec![Reset(REFUSED_STREAM)]).await;
    let channel = channel_by(&balanced("round_robin"), &[first, second]);
    let requests = || first_requests.load(Ordering::Relaxed) + second_requests.load(Ordering::Relaxed);
    for _ in 0..100 {
        assert_eq!(failure(call(&channel, 1).await), Failure::NeverRan);
    }
    assert_eq!(requests(), 100 + 49);
}

/// Its calls would cost tokens of the throttle for ever.
#[tokio::test]
async fn endpoint_that_refuses_five_streams_in_a_row_is_ejected() {
    let (refusing, requests) = Http2Peer::repeating(vec![Reset(REFUSED_STREAM)]).await;
    let backend = Backend::start(Handler::echo());
    let channel = channel_by(&balanced("round_robin"), &[refusing, backend.address]);
    for _ in 0..20 {
        call(&channel, 1).await.unwrap();
    }
    assert_eq!(requests.load(Ordering::Relaxed), 5);
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
