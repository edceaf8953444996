//! What is made anew without a policy, what is sent once, and what goes through as it is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use grpc_client::{Channel, Failure, RETRY_BUFFER_BYTES_MAX};
use tokio::{net::TcpListener, sync::mpsc};
use tonic::{Code, Status};

use crate::{
    backend::{Backend, Handler, own_ip},
    client::{balanced, builder, call, channel_by, failure, retrying},
    http2_peer::{GRPC, REFUSED_STREAM, Wire, framed},
    raw_request::{code_of, frame, send_pieces, send_whole},
};

/// Refusals: a backend's word that it did nothing.
fn is_refusal(status: &Status) -> bool {
    status.message() == "full"
}

fn refusing_channel(config: &str, backends: &[Backend]) -> Channel {
    let listed: Vec<_> = backends.iter().map(|backend| backend.address).collect();
    builder(config, &listed).not_started_when(is_refusal).build().unwrap()
}

#[tokio::test]
async fn a_refusal_sends_a_call_to_another_endpoint_at_once() {
    let (backends, entered) = Backend::start_each::<3>(|index, entered| match index {
        2 => Handler::echo_after(Duration::ZERO, entered),
        _ => Handler::failing(Status::resource_exhausted("full"), entered),
    });
    call(&refusing_channel(&balanced("pick_first"), &backends), 1).await.unwrap();
    assert_eq!(entered.each_ref().map(|count| count.load(Ordering::Relaxed)), [1, 1, 1]);
}

#[tokio::test]
async fn where_all_refuse_the_last_refusal_is_the_answer_and_each_is_asked_once() {
    let (backends, entered) =
        Backend::start_each::<3>(|_, entered| Handler::failing(Status::resource_exhausted("full"), entered));
    let status = call(&refusing_channel(&balanced("pick_first"), &backends), 1).await.unwrap_err();
    assert!(is_refusal(&status) && Failure::of(&status) == Failure::ServerStatus, "{status:?}");
    assert_eq!(entered.each_ref().map(|count| count.load(Ordering::Relaxed)), [1, 1, 1]);
}

#[tokio::test]
async fn any_other_status_ends_a_call_of_a_method_without_a_policy() {
    for (status, has_hook) in [(Status::unavailable("down"), true), (Status::unavailable("full"), false)] {
        let (backends, entered) =
            Backend::start_each::<2>(|_, entered| Handler::failing(status.clone(), entered));
        let channel = if has_hook {
            refusing_channel(&balanced("pick_first"), &backends)
        } else {
            channel_by(&balanced("pick_first"), &backends.each_ref().map(|backend| backend.address))
        };
        assert_eq!(call(&channel, 1).await.unwrap_err().code(), Code::Unavailable);
        assert_eq!(entered.each_ref().map(|count| count.load(Ordering::Relaxed)), [1, 0]);
    }
}

/// A server that wants no more attempts speaks for all of them.
#[tokio::test]
async fn a_refusal_that_wants_no_more_attempts_ends_a_call() {
    let mut refusal = Status::resource_exhausted("full");
    refusal.metadata_mut().insert("grpc-retry-pushback-ms", "-1".parse().unwrap());
    let (backends, entered) =
        Backend::start_each::<2>(|_, entered| Handler::failing(refusal.clone(), entered));
    let status = call(&refusing_channel(&balanced("pick_first"), &backends), 1).await.unwrap_err();
    assert!(is_refusal(&status));
    assert_eq!(entered.each_ref().map(|count| count.load(Ordering::Relaxed)), [1, 0]);
}

/// Where all are full, asking all of them is load that nobody can bear.
#[tokio::test]
async fn refusals_spend_what_throttles_retries() {
    let (backends, entered) =
        Backend::start_each::<3>(|_, entered| Handler::failing(Status::resource_exhausted("full"), entered));
    let config = r#"{"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}}"#;
    let channel = refusing_channel(config, &backends);
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

/// gRFC A6 does not count what never ran.
#[tokio::test]
async fn an_attempt_after_one_that_never_ran_names_no_previous_attempts() {
    let listener = TcpListener::bind((own_ip(), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut wire = Wire::accept(&listener, None).await;
        let stream = wire.request().await;
        wire.reset(stream, REFUSED_STREAM).await;
        wire.stall().await;
    });
    let backend = Backend::start(Handler::new(|request| async move {
        let previous = request.metadata().get("grpc-previous-rpc-attempts");
        Err(Status::not_found(previous.map_or("none", |previous| previous.to_str().unwrap())))
    }));
    let status = call(&channel_by(&retrying(""), &[address, backend.address]), 1).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "none"));
}

/// A peer that counts requests, keeps the bytes of each, and ends each as UNAVAILABLE.
async fn collecting() -> (std::net::SocketAddr, mpsc::UnboundedReceiver<Vec<u8>>) {
    let (collect, collected) = mpsc::unbounded_channel();
    let (address, _played) = Wire::playing(move |mut wire| async move {
        while let Some((stream, body)) = wire.next_request().await {
            let _ = collect.send(body);
            wire.head_only(stream, &[GRPC[0], ("grpc-status", "14")]).await;
        }
    })
    .await;
    (address, collected)
}

#[tokio::test]
async fn a_request_is_kept_up_to_its_limit_and_a_longer_one_is_sent_once_and_whole() {
    for (length, attempts) in [(RETRY_BUFFER_BYTES_MAX, 3), (RETRY_BUFFER_BYTES_MAX + 1, 1)] {
        let body: Vec<_> = (0..=250).cycle().take(length).collect();
        let (address, mut collected) = collecting().await;
        let answer = send_whole(&channel_by(&retrying(""), &[address]), body.clone()).await.unwrap();
        assert_eq!(code_of(answer).await.unwrap(), Code::Unavailable);
        for _ in 0..attempts {
            assert!(collected.recv().await.unwrap() == body);
        }
        assert!(collected.try_recv().is_err(), "more than {attempts}");
    }
}

#[tokio::test]
async fn a_request_that_is_a_stream_is_sent_once_as_it_comes() {
    let (address, mut collected) = collecting().await;
    let channel = channel_by(&retrying(""), &[address]);
    let (sender, pieces) = mpsc::channel(1);
    let called = tokio::spawn(async move { send_pieces(&channel, pieces).await });
    let messages: Vec<_> = (0..40).map(|number| framed(&[number; 5000])).collect();
    for message in &messages {
        sender.send(Bytes::from(message.clone())).await.unwrap();
    }
    drop(sender);
    assert_eq!(code_of(called.await.unwrap().unwrap()).await.unwrap(), Code::Unavailable);
    assert!(collected.recv().await.unwrap() == messages.concat());
    assert!(collected.try_recv().is_err(), "sent again");
}

#[tokio::test]
async fn a_stream_whose_endpoint_cannot_be_reached_fails_as_one_that_never_ran() {
    let backend = Backend::start(Handler::echo());
    let address = backend.address;
    backend.kill().await;
    let (_open, pieces) = mpsc::channel(1);
    let status = send_pieces(&channel_by(&retrying(""), &[address]), pieces).await.unwrap_err();
    assert_eq!(Failure::of(&status), Failure::NeverRan);
}

#[tokio::test]
async fn an_answer_of_many_messages_comes_as_it_is_sent() {
    let (seen, mut go_on) = mpsc::channel::<()>(1);
    let (address, _played) = Wire::playing(move |mut wire| async move {
        let stream = wire.request().await;
        wire.head(stream, GRPC).await;
        for number in 1..=3 {
            wire.data(stream, &framed(&[8, number])).await;
            // The next one is not sent before this one was seen.
            go_on.recv().await.unwrap();
        }
        wire.trailers(stream, &[("grpc-status", "0")]).await;
        wire.stall().await;
    })
    .await;
    let channel = channel_by(&retrying(""), &[address]);
    let mut body = send_whole(&channel, framed(&[8, 1])).await.unwrap().into_body();
    for number in 1..=3 {
        assert_eq!(frame(&mut body).await.unwrap().into_data().unwrap(), framed(&[8, number]));
        seen.send(()).await.unwrap();
    }
    let trailers = frame(&mut body).await.unwrap().into_trailers().unwrap();
    assert_eq!(trailers.get("grpc-status").unwrap(), "0");
}

/// However often it is asked, a method without a policy gets one attempt that runs.
#[tokio::test]
async fn a_lost_call_of_a_method_without_a_policy_is_not_tried_again() {
    let (address, _played) = Wire::playing(|mut wire| async move {
        wire.request().await;
    })
    .await;
    let entered = Arc::new(AtomicUsize::new(0));
    let backend = Backend::start(Handler::echo_after(Duration::ZERO, &entered));
    let channel = channel_by(&balanced("pick_first"), &[address, backend.address]);
    assert_eq!(failure(call(&channel, 1).await), Failure::ConnectionLost);
    assert_eq!(entered.load(Ordering::Relaxed), 0);
}
