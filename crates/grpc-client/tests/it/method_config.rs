//! The `methodConfig` of a service config, apart from retries: timeouts, `waitForReady` and message sizes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use grpc_client::{DEADLINE_MARGIN, Failure};
use tonic::Code;

use crate::{
    backend::{Backend, Handler},
    client::{call, call_by, channel_by, failure, failure_and_code, get, send},
    http2_peer::{
        Frame::{Data, Headers, Trailers},
        GRPC, Http2Peer, OK, framed,
    },
    network::refused_address,
    raw_request::{code_of, send_whole},
};

const DEADLINE_EXCEEDED: (Failure, Code) = (Failure::DeadlineExceeded, Code::DeadlineExceeded);

/// A service config with these fields for every method.
fn for_all_methods(fields: &str) -> String {
    format!(r#"{{"methodConfig": [{{"name": [{{}}], {fields}}}]}}"#)
}

/// A tonic server gives up first, and returns CANCELLED. The call ends as DEADLINE_EXCEEDED all the same.
#[tokio::test]
async fn shortest_of_all_timeouts_applies() {
    let timeouts = Arc::default();
    let backend = Backend::start(Handler::recording_timeouts(Duration::from_secs(60), &timeouts));
    let channel = channel_by(&for_all_methods(r#""timeout": "0.3s""#), &[backend.address]);
    for (extension, expected_ms) in [(None, 300), (Some(60_000), 300), (Some(100), 100)] {
        let (started, expected) = (Instant::now(), Duration::from_millis(expected_ms));
        let result = match extension.map(Duration::from_millis) {
            None => call(&channel, 1).await,
            Some(time) => call_by(&channel, 1, tokio::time::Instant::now() + time).await,
        };
        assert_eq!(failure_and_code(result), DEADLINE_EXCEEDED);
        let elapsed = started.elapsed();
        assert!(elapsed + 2 * DEADLINE_MARGIN >= expected && elapsed < expected * 2, "{elapsed:?}");
        let sent = timeouts.lock().unwrap().pop().unwrap();
        assert!(sent <= expected - DEADLINE_MARGIN && sent > expected / 3, "{sent:?}");
    }

    // `tonic::Request::set_timeout`, without a timeout of the method.
    let mut request = get(1);
    request.set_timeout(Duration::from_millis(200));
    let started = Instant::now();
    let result = send(&channel_by("{}", &[backend.address]), request).await;
    assert_eq!(failure_and_code(result), DEADLINE_EXCEEDED);
    assert!(started.elapsed() < Duration::from_secs(2));
    assert!(timeouts.lock().unwrap()[0] < Duration::from_millis(200));
}

#[tokio::test]
async fn wait_for_ready_waits_for_a_server_that_starts_later() {
    let address = refused_address();
    let waiting = channel_by(&for_all_methods(r#""waitForReady": true"#), &[address]);
    let failing = channel_by(&for_all_methods(r#""waitForReady": false"#), &[address]);
    let waiting_call = tokio::spawn(async move { call(&waiting, 7).await });
    for _ in 0..3 {
        assert_eq!(failure(call(&failing, 1).await), Failure::NeverRan);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let _backend = Backend::start_at(address, Handler::echo());
    assert_eq!(waiting_call.await.unwrap().unwrap().into_inner().order_id, 7);
    // A channel finds such a server with the next call, too.
    call(&failing, 2).await.unwrap();
}

#[tokio::test]
async fn wait_for_ready_ends_at_the_deadline_as_never_ran() {
    let config = for_all_methods(r#""waitForReady": true, "timeout": "0.5s""#);
    let channel = channel_by(&config, &[refused_address()]);
    let started = Instant::now();
    assert_eq!(failure(call(&channel, 1).await), Failure::NeverRan);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

/// The limit excludes the five-byte prefix of a message.
#[tokio::test]
async fn request_over_the_methods_limit_is_not_sent() {
    let entered = Arc::new(AtomicUsize::new(0));
    let backend = Backend::start(Handler::echo_after(Duration::ZERO, &entered));
    let channel = channel_by(&for_all_methods(r#""maxRequestMessageBytes": 3"#), &[backend.address]);
    // GetOrderRequest { order_id: 300 }, and one with a byte more.
    let response = send_whole(&channel, framed(&[8, 0xac, 2])).await.unwrap();
    assert_eq!(code_of(response).await.unwrap(), Code::Ok);
    let status = send_whole(&channel, framed(&[8, 0xac, 0xac, 2])).await.unwrap_err();
    assert_eq!((Failure::of(&status), status.code()), (Failure::NeverRan, Code::ResourceExhausted));
    assert_eq!(entered.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn response_over_the_methods_limit_is_too_large() {
    for (message, too_large) in [(&[8, 1][..], false), (&[8, 0xac, 2], true)] {
        let frames = vec![Headers(vec![GRPC]), Data(framed(message)), Trailers(vec![OK])];
        let address = Http2Peer::responding(frames).await;
        let result =
            call(&channel_by(&for_all_methods(r#""maxResponseMessageBytes": 2"#), &[address]), 1).await;
        assert_eq!(
            result.err().map(|status| (Failure::of(&status), status.code())),
            too_large.then_some((Failure::ResponseTooLarge, Code::ResourceExhausted))
        );
    }
}
