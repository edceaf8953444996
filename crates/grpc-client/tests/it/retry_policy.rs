//! Retries by a method's `retryPolicy` (gRFC A6): of which answers, how often, when, and when no more.

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
    http2_peer::{GRPC, Wire, framed},
};

/// When each call came, and what stood in its `grpc-previous-rpc-attempts`.
type Seen = Arc<Mutex<Vec<(Instant, Option<String>)>>>;

/// A backend whose answers to the first, second, … call are those of `answer`.
fn answering(answer: impl Fn(usize) -> Result<(), Status> + Send + Sync + 'static) -> (Backend, Seen) {
    let seen = Seen::default();
    let backend = {
        let seen = seen.clone();
        Backend::start(Handler::new(move |request| {
            let previous = request.metadata().get("grpc-previous-rpc-attempts");
            let previous = previous.map(|count| count.to_str().unwrap().to_owned());
            let mut seen = seen.lock().unwrap();
            seen.push((Instant::now(), previous));
            let answer = answer(seen.len()).map(|()| Response::new(order(1)));
            async move { answer }
        }))
    };
    (backend, seen)
}

fn unavailable() -> Status {
    Status::unavailable("")
}

fn with_pushback(pushback: &str) -> Status {
    let mut status = unavailable();
    status.metadata_mut().insert("grpc-retry-pushback-ms", pushback.parse().unwrap());
    status
}

/// The waits between the attempts of one call that fails each time.
async fn waits(policy: &str, answer: impl Fn(usize) -> Status + Send + Sync + 'static) -> Vec<Duration> {
    let (backend, seen) = answering(move |attempt| Err(answer(attempt)));
    let channel = channel_by(&retrying(policy), &[backend.address]);
    assert_eq!(failure(call(&channel, 1).await), Failure::ServerStatus);
    let seen = seen.lock().unwrap();
    seen.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
}

#[tokio::test]
async fn the_codes_of_the_policy_and_no_others_are_tried_again() {
    let codes = r#"UNAVAILABLE", "ABORTED", "INTERNAL"#;
    for code in (1..=16).map(Code::from_i32) {
        let (backend, seen) = answering(move |_| Err(Status::new(code, "")));
        let channel = channel_by(&retrying_on(codes, ""), &[backend.address]);
        assert_eq!(call(&channel, 1).await.unwrap_err().code(), code);
        let attempts = if matches!(code, Code::Unavailable | Code::Aborted | Code::Internal) { 3 } else { 1 };
        assert_eq!(seen.lock().unwrap().len(), attempts, "{code:?}");
    }
}

#[tokio::test]
async fn a_call_succeeds_once_an_attempt_does() {
    let (backend, seen) = answering(|attempt| if attempt < 3 { Err(unavailable()) } else { Ok(()) });
    let channel = channel_by(&retrying(""), &[backend.address]);
    call(&channel, 1).await.unwrap();
    let previous: Vec<_> = seen.lock().unwrap().iter().map(|(_, previous)| previous.clone()).collect();
    assert_eq!(previous, [None, Some("1".to_owned()), Some("2".to_owned())]);
}

#[tokio::test]
async fn no_more_attempts_are_made_than_the_policy_says_nor_than_five() {
    for (max, made) in [(2, 2), (4, 4), (100, ATTEMPTS_MAX)] {
        let attempts = waits(&format!(r#", "maxAttempts": {max}"#), |_| unavailable()).await.len() + 1;
        assert_eq!(u32::try_from(attempts).unwrap(), made);
    }
}

/// gRFC A6: a fifth more or less than they grow to.
#[tokio::test]
async fn waits_grow_up_to_their_bound() {
    let policy =
        r#", "maxAttempts": 5, "initialBackoff": "0.1s", "backoffMultiplier": 2, "maxBackoff": "0.3s""#;
    let waits = waits(policy, |_| unavailable()).await;
    for (wait, least_ms) in waits.iter().zip([80, 160, 240, 240]) {
        assert!(*wait >= Duration::from_millis(least_ms), "{waits:?}");
    }
    assert!(waits.iter().sum::<Duration>() < Duration::from_secs(3), "{waits:?}");
}

#[tokio::test]
async fn a_server_that_says_when_is_obeyed() {
    let waits = waits(r#", "maxAttempts": 4, "initialBackoff": "5s", "maxBackoff": "5s""#, |attempt| {
        with_pushback(["200", "0", "1"][attempt % 3])
    })
    .await;
    let [first, second, third] = waits[..] else { panic!("{waits:?}") };
    assert!(third >= Duration::from_millis(200), "{waits:?}");
    assert!(first + second + third < Duration::from_secs(3), "{waits:?}");
}

/// As other gRPC clients have it: a server that said when is well enough to say it.
#[tokio::test]
async fn after_a_server_has_said_when_waits_grow_from_the_first_again() {
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
async fn a_server_that_wants_no_more_attempts_gets_none() {
    for pushback in ["-1", "-2147483648", "", "soon", "1.5", "0x10", "99999999999999999999999"] {
        assert!(waits("", move |_| with_pushback(pushback)).await.is_empty(), "{pushback:?}");
    }
}

/// A wait that is too long for the call is not begun.
#[tokio::test]
async fn a_server_that_wants_the_next_attempt_after_the_deadline_gets_none() {
    for pushback in ["60000", "18446744073709551615"] {
        assert!(waits("", move |_| with_pushback(pushback)).await.is_empty(), "{pushback:?}");
    }
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_made_anew_elsewhere() {
    let entered = Arc::default();
    let hanging = Backend::start(Handler::echo_after(Duration::from_secs(60), &entered));
    let honest = Backend::start(Handler::echo());
    // The time of an attempt is no status, and is in no list of codes.
    let config = retrying_on("ABORTED", r#", "perAttemptRecvTimeout": "0.2s""#);
    let channel = channel_by(&config, &[hanging.address, honest.address]);
    let begun = Instant::now();
    call(&channel, 1).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(200) && begun.elapsed() < Duration::from_secs(5));

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
async fn a_server_that_fails_too_often_is_tried_again_no_more_until_it_answers() {
    let ill = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (backend, seen) = {
        let ill = ill.clone();
        answering(move |_| if ill.load(Ordering::Relaxed) { Err(unavailable()) } else { Ok(()) })
    };
    let channel = channel_by(&throttled(""), &[backend.address]);
    let attempts = async |channel: &Channel| {
        seen.lock().unwrap().clear();
        let _ = call(channel, 1).await;
        seen.lock().unwrap().len()
    };
    // Four tokens: the second failure leaves no more than half of them.
    assert_eq!((attempts(&channel).await, attempts(&channel).await, attempts(&channel).await), (2, 1, 1));
    ill.store(false, Ordering::Relaxed);
    // None was left; seven halves make up for two failures more.
    for _ in 0..7 {
        call(&channel, 1).await.unwrap();
    }
    ill.store(true, Ordering::Relaxed);
    assert_eq!((attempts(&channel).await, attempts(&channel).await), (2, 1));
}

/// The message of a caller that has seen the head of one answer cannot be made unseen.
#[tokio::test]
async fn nothing_is_tried_again_once_the_head_of_an_answer_has_come() {
    for (with_data, expected) in
        [(false, Failure::ServerStatus), (true, Failure::ServerStatus), (true, Failure::ConnectionLost)]
    {
        let attempts = Arc::new(AtomicUsize::new(0));
        let (address, _played) = {
            let attempts = attempts.clone();
            Wire::playing(move |mut wire| async move {
                while let Some((stream, _)) = wire.next_request().await {
                    attempts.fetch_add(1, Ordering::Relaxed);
                    wire.head(stream, GRPC).await;
                    if with_data {
                        wire.data(stream, &framed(&[8, 1])).await;
                    }
                    match expected {
                        Failure::ConnectionLost => {
                            wire.reset(stream, crate::http2_peer::REFUSED_STREAM).await
                        }
                        _ => wire.trailers(stream, &[("grpc-status", "14")]).await,
                    }
                }
            })
            .await
        };
        assert_eq!(failure(call(&channel_by(&retrying(""), &[address]), 1).await), expected);
        assert_eq!(attempts.load(Ordering::Relaxed), 1);
    }
}
