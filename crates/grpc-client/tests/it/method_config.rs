//! What a service config says of a method, besides retries: how long its calls may take, whether they wait for a
//! backend, and how large their messages are.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use grpc_client::{DEADLINE_MARGIN, Failure};
use tonic::{Code, Response, Status};

use crate::{
    backend::{Backend, Handler, order},
    client::{call, call_by, channel_by, failure, send},
    http2_peer::{GRPC, Wire, framed},
    raw_request::{code_of, send_whole},
};

/// A service config in which all that is said holds for every method.
fn of_all_methods(members: &str) -> String {
    format!(r#"{{"methodConfig": [{{"name": [{{}}], {members}}}]}}"#)
}

/// A backend that answers after `wait`, and the `grpc-timeout` of each call to it.
fn timed(wait: Duration) -> (Backend, Arc<Mutex<Vec<Duration>>>) {
    let given = Arc::new(Mutex::new(Vec::new()));
    let backend = {
        let given = given.clone();
        Backend::start(Handler::new(move |request| {
            let timeout = request.metadata().get("grpc-timeout").unwrap();
            given.lock().unwrap().push(parsed(timeout.to_str().unwrap()));
            async move {
                tokio::time::sleep(wait).await;
                Ok(Response::new(order(1)))
            }
        }))
    };
    (backend, given)
}

/// A `grpc-timeout` of less than a minute.
fn parsed(timeout: &str) -> Duration {
    let (digits, unit) = timeout.split_at(timeout.len() - 1);
    let number = digits.parse().unwrap();
    match unit {
        "n" => Duration::from_nanos(number),
        "u" => Duration::from_micros(number),
        "m" => Duration::from_millis(number),
        other => panic!("{other}"),
    }
}

/// The backend gives up first, and says CANCELLED where it is tonic's: its caller's deadline has passed all the same.
#[tokio::test]
async fn a_method_s_timeout_bounds_its_calls() {
    let (backend, given) = timed(Duration::from_secs(60));
    let channel = channel_by(&of_all_methods(r#""timeout": "0.3s""#), &[backend.address]);
    for (of_caller, expected) in [(None, 300), (Some(60_000), 300), (Some(100), 100)] {
        let (begun, expected) = (Instant::now(), Duration::from_millis(expected));
        let status = match of_caller.map(Duration::from_millis) {
            None => call(&channel, 1).await,
            Some(time) => call_by(&channel, 1, tokio::time::Instant::now() + time).await,
        }
        .unwrap_err();
        assert_eq!(
            (Failure::of(&status), status.code()),
            (Failure::DeadlineExceeded, Code::DeadlineExceeded)
        );
        let took = begun.elapsed();
        assert!(took + 2 * DEADLINE_MARGIN >= expected && took < expected * 2, "{took:?}");
        let given = given.lock().unwrap().pop().unwrap();
        assert!(given <= expected - DEADLINE_MARGIN && given > expected / 3, "{given:?}");
    }
}

/// A backend that says CANCELLED while there is time means something else by it.
#[tokio::test]
async fn a_cancellation_before_the_deadline_is_an_answer() {
    let backend = Backend::start(Handler::failing(Status::cancelled("Timeout expired"), &Arc::default()));
    let channel = channel_by(&of_all_methods(r#""timeout": "5s""#), &[backend.address]);
    let status = call(&channel, 1).await.unwrap_err();
    assert_eq!((Failure::of(&status), status.code()), (Failure::ServerStatus, Code::Cancelled));
}

/// Not the generated client's own idea of a timeout, which would be overwritten.
#[tokio::test]
async fn a_timeout_that_the_caller_s_request_names_is_kept() {
    let (backend, given) = timed(Duration::from_secs(60));
    let mut request = crate::client::get(1);
    request.set_timeout(Duration::from_millis(200));
    let begun = Instant::now();
    let status = send(&channel_by("{}", &[backend.address]), request).await.unwrap_err();
    assert_eq!((Failure::of(&status), status.code()), (Failure::DeadlineExceeded, Code::DeadlineExceeded));
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(given.lock().unwrap()[0] < Duration::from_millis(200));
}

#[tokio::test]
async fn a_call_that_waits_for_ready_finds_a_backend_that_comes_later() {
    let backend = Backend::start(Handler::echo());
    let address = backend.address;
    backend.kill().await;
    let waits = channel_by(&of_all_methods(r#""waitForReady": true"#), &[address]);
    let does_not = channel_by(&of_all_methods(r#""waitForReady": false"#), &[address]);
    let called = tokio::spawn(async move { call(&waits, 7).await });
    for _ in 0..3 {
        assert_eq!(failure(call(&does_not, 1).await), Failure::NeverRan);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let _backend = Backend::start_at(address, Handler::echo());
    assert_eq!(called.await.unwrap().unwrap().into_inner().order_id, 7);
}

#[tokio::test]
async fn a_call_that_waits_for_ready_in_vain_ends_by_its_deadline_as_one_that_never_ran() {
    let backend = Backend::start(Handler::echo());
    let address = backend.address;
    backend.kill().await;
    let channel = channel_by(&of_all_methods(r#""waitForReady": true, "timeout": "0.5s""#), &[address]);
    let begun = Instant::now();
    assert_eq!(failure(call(&channel, 1).await), Failure::NeverRan);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

/// gRPC counts the message, without the five bytes before it.
#[tokio::test]
async fn a_request_over_its_method_s_limit_is_not_sent() {
    let entered = Arc::new(AtomicUsize::new(0));
    let backend = Backend::start(Handler::echo_after(Duration::ZERO, &entered));
    let channel = channel_by(&of_all_methods(r#""maxRequestMessageBytes": 3"#), &[backend.address]);
    // GetOrderRequest { order_id: 300 }, and one with a byte more.
    let at_limit = send_whole(&channel, framed(&[8, 0xac, 2])).await.unwrap();
    assert_eq!(code_of(at_limit).await.unwrap(), Code::Ok);
    let status = send_whole(&channel, framed(&[8, 0xac, 0xac, 2])).await.unwrap_err();
    assert_eq!((Failure::of(&status), status.code()), (Failure::NeverRan, Code::ResourceExhausted));
    assert_eq!(entered.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_answer_over_its_method_s_limit_is_too_large() {
    for (limit, message, too_large) in [(2, &[8, 1][..], false), (2, &[8, 0xac, 2], true)] {
        let (address, _played) = Wire::playing(move |mut wire| async move {
            let stream = wire.request().await;
            wire.head(stream, GRPC).await;
            wire.data(stream, &framed(message)).await;
            wire.trailers(stream, &[("grpc-status", "0")]).await;
            wire.stall().await;
        })
        .await;
        let config = of_all_methods(&format!(r#""maxResponseMessageBytes": {limit}"#));
        let ended = call(&channel_by(&config, &[address]), 1).await;
        assert_eq!(
            ended.err().map(|status| (Failure::of(&status), status.code())),
            too_large.then_some((Failure::ResponseTooLarge, Code::ResourceExhausted))
        );
    }
}
