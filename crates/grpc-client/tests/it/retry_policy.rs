//! Retries by a method's `retryPolicy` (gRFC A6): codes, attempts, backoff, pushback and throttling.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use grpc_client::{ATTEMPTS_MAX, Channel, Failure};
use tonic::{Code, Response, Status};

use crate::{
    backend::{Backend, Handler, order},
    client::{call, channel_by, failure, retrying, retrying_on},
    http2_peer::{
        Frame::{Data, Headers, Reset, Trailers},
        GRPC, Http2Peer, REFUSED_STREAM, framed,
    },
};

/// The time and the `grpc-previous-rpc-attempts` of each attempt.
type Attempts = Arc<Mutex<Vec<(Instant, Option<String>)>>>;

/// A backend that returns `respond(n)` to attempt number n, counted from 1.
fn responding(respond: impl Fn(usize) -> Result<(), Status> + Send + Sync + 'static) -> (Backend, Attempts) {
    let attempts = Attempts::default();
    let backend = {
        let attempts = attempts.clone();
        Backend::start(Handler::new(move |request| {
            let previous = request.metadata().get("grpc-previous-rpc-attempts");
            let previous = previous.map(|count| count.to_str().unwrap().to_owned());
            let mut attempts = attempts.lock().unwrap();
            attempts.push((Instant::now(), previous));
            std::future::ready(respond(attempts.len()).map(|()| Response::new(order(1))))
        }))
    };
    (backend, attempts)
}

fn unavailable() -> Status {
    Status::unavailable("")
}

fn with_pushback(pushback: &str) -> Status {
    let mut status = unavailable();
    status.metadata_mut().insert("grpc-retry-pushback-ms", pushback.parse().unwrap());
    status
}

/// The waits between the attempts of a call whose every attempt fails.
async fn waits(policy: &str, status: impl Fn(usize) -> Status + Send + Sync + 'static) -> Vec<Duration> {
    let (backend, attempts) = responding(move |attempt| Err(status(attempt)));
    let channel = channel_by(&retrying(policy), &[backend.address]);
    assert_eq!(failure(call(&channel, 1).await), Failure::ServerStatus);
    let attempts = attempts.lock().unwrap();
    attempts.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
}

#[tokio::test]
async fn only_the_codes_of_the_policy_are_retried() {
    let codes = r#"UNAVAILABLE", "ABORTED", "INTERNAL"#;
    for code in (1..=16).map(Code::from_i32) {
        let (backend, attempts) = responding(move |_| Err(Status::new(code, "")));
        let channel = channel_by(&retrying_on(codes, ""), &[backend.address]);
        assert_eq!(call(&channel, 1).await.unwrap_err().code(), code);
        let is_retryable = matches!(code, Code::Unavailable | Code::Aborted | Code::Internal);
        assert_eq!(attempts.lock().unwrap().len(), if is_retryable { 3 } else { 1 }, "{code:?}");
    }
}

#[tokio::test]
async fn call_succeeds_with_its_first_successful_attempt() {
    let (backend, attempts) = responding(|attempt| if attempt < 3 { Err(unavailable()) } else { Ok(()) });
    let channel = channel_by(&retrying(""), &[backend.address]);
    call(&channel, 1).await.unwrap();
    let previous: Vec<_> = attempts.lock().unwrap().iter().map(|(_, previous)| previous.clone()).collect();
    assert_eq!(previous, [None, Some("1".to_owned()), Some("2".to_owned())]);
}

#[tokio::test]
async fn attempts_are_limited_by_the_policy_and_by_five() {
    for (max, made) in [(2, 2), (4, 4), (100, ATTEMPTS_MAX)] {
        let attempts = waits(&format!(r#", "maxAttempts": {max}"#), |_| unavailable()).await.len() + 1;
        assert_eq!(u32::try_from(attempts).unwrap(), made);
    }
}

/// With a jitter of 20 % (gRFC A6).
#[tokio::test]
async fn backoff_grows_up_to_its_maximum() {
    let policy =
        r#", "maxAttempts": 5, "initialBackoff": "0.1s", "backoffMultiplier": 2, "maxBackoff": "0.3s""#;
    let waits = waits(policy, |_| unavailable()).await;
    for (wait, least_ms) in waits.iter().zip([80, 160, 240, 240]) {
        assert!(*wait >= Duration::from_millis(least_ms), "{waits:?}");
    }
    assert!(waits.iter().sum::<Duration>() < Duration::from_secs(3), "{waits:?}");
}

#[tokio::test]
async fn pushback_replaces_the_backoff() {
    let waits = waits(r#", "maxAttempts": 4, "initialBackoff": "5s", "maxBackoff": "5s""#, |attempt| {
        with_pushback(["200", "0", "1"][attempt % 3])
    })
    .await;
    let [first, second, third] = waits[..] else { panic!("{waits:?}") };
    assert!(third >= Duration::from_millis(200), "{waits:?}");
    assert!(first + second + third < Duration::from_secs(3), "{waits:?}");
}

/// As in other gRPC clients.
#[tokio::test]
async fn pushback_resets_the_backoff() {
    let policy =
        r#", "maxAttempts": 4, "initialBackoff": "0.1s", "backoffMultiplier": 100, "maxBackoff": "60s""#;
    let waits = waits(policy, |attempt| if attempt == 2 { with_pushback("10") } else { unavailable() }).await;
    let [first, second, third] = waits[..] else { panic!("{waits:?}") };
    assert!(
        first.min(third) >= Duration::from_millis(80) && second >= Duration::from_millis(10),
        "{waits:?}"
    );
    assert!(first + second + third < Duration::from_secs(3), "{waits:?}");
}

#[tokio::test]
async fn pushback_that_is_negative_invalid_or_after_the_deadline_forbids_retries() {
    let invalid = ["-1", "-2147483648", "", "soon", "1.5", "0x10", "99999999999999999999999"];
    for pushback in invalid.into_iter().chain(["60000", "18446744073709551615"]) {
        assert!(waits("", move |_| with_pushback(pushback)).await.is_empty(), "{pushback:?}");
    }
}

#[tokio::test]
async fn attempt_that_times_out_is_retried_on_another_endpoint() {
    let entered = Arc::default();
    let hanging = Backend::start(Handler::echo_after(Duration::from_secs(60), &entered));
    let responsive = Backend::start(Handler::echo());
    // `perAttemptRecvTimeout` is retried whatever the codes of the policy are.
    let config = retrying_on("ABORTED", r#", "perAttemptRecvTimeout": "0.2s""#);
    let channel = channel_by(&config, &[hanging.address, responsive.address]);
    let started = Instant::now();
    call(&channel, 1).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(200) && started.elapsed() < Duration::from_secs(5));

    let alone = channel_by(&config, &[hanging.address]);
    let status = call(&alone, 1).await.unwrap_err();
    assert_eq!((Failure::of(&status), status.code()), (Failure::DeadlineExceeded, Code::DeadlineExceeded));
    assert_eq!(entered.load(Ordering::Relaxed), 1 + 3);
}

fn throttled(policy: &str) -> String {
    let throttling = r#""retryThrottling": {"maxTokens": 4, "tokenRatio": 0.5}, "#;
    retrying(policy).replacen('{', &format!("{{{throttling}"), 1)
}

#[tokio::test]
async fn throttle_stops_retries_until_successes_return_its_tokens() {
    let is_failing = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (backend, attempts) = {
        let is_failing = is_failing.clone();
        responding(move |_| if is_failing.load(Ordering::Relaxed) { Err(unavailable()) } else { Ok(()) })
    };
    let channel = channel_by(&throttled(""), &[backend.address]);
    let count = async |channel: &Channel| {
        attempts.lock().unwrap().clear();
        let _ = call(channel, 1).await;
        attempts.lock().unwrap().len()
    };
    // Four tokens: after the second failure half of them are left.
    assert_eq!((count(&channel).await, count(&channel).await, count(&channel).await), (2, 1, 1));
    is_failing.store(false, Ordering::Relaxed);
    // No token was left; seven successes return 3.5 tokens, enough for two failures.
    for _ in 0..7 {
        call(&channel, 1).await.unwrap();
    }
    is_failing.store(true, Ordering::Relaxed);
    assert_eq!((count(&channel).await, count(&channel).await), (2, 1));
}

/// The client may have used the response headers by then (gRFC A6).
#[tokio::test]
async fn no_retry_after_response_headers() {
    let unavailable = Trailers(vec![("grpc-status", "14")]);
    for (with_data, end, expected) in [
        (false, unavailable.clone(), Failure::ServerStatus),
        (true, unavailable, Failure::ServerStatus),
        (true, Reset(REFUSED_STREAM), Failure::ConnectionLost),
    ] {
        let attempts = Arc::new(AtomicUsize::new(0));
        let counter = attempts.clone();
        let (address, _script) = Http2Peer::scripted(move |mut peer| async move {
            while let Some((stream, _)) = peer.next_request().await {
                counter.fetch_add(1, Ordering::Relaxed);
                peer.send(stream, Headers(vec![GRPC])).await;
                if with_data {
                    peer.send(stream, Data(framed(&[8, 1]))).await;
                }
                peer.send(stream, end.clone()).await;
            }
        })
        .await;
        assert_eq!(failure(call(&channel_by(&retrying(""), &[address]), 1).await), expected);
        assert_eq!(attempts.load(Ordering::Relaxed), 1);
    }
}
