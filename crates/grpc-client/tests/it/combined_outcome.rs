//! What the attempts of one call prove together: it never ran only where none of them may have.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use grpc_client::Failure;
use tonic::{Code, Status};

use crate::{
    backend::{Backend, Handler, own_ip},
    client::{builder, call, retrying},
    http2_peer::{GRPC, REFUSED_STREAM, Wire},
};

/// How an endpoint ends the one attempt that it gets.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// The connection is closed over the open stream.
    Lost,
    /// No answer in the time of an attempt.
    Late,
    /// An HTTP status without a gRPC one.
    NotGrpc,
    Unavailable,
    NotFound,
    Answers,
    /// The head of an answer, and then nothing more.
    BreaksOff,
    /// A status that promises that nothing was done.
    Refusal,
    /// A connection refused.
    Gone,
    /// A GOAWAY below the stream.
    GoAway,
    RefusedStream,
}

use Way::{
    Answers, BreaksOff, GoAway, Gone, Late, Lost, NotFound, NotGrpc, Refusal, RefusedStream, Unavailable,
};

/// An endpoint that behaves so, and what keeps it there.
async fn endpoint(way: Way) -> (SocketAddr, Option<Backend>) {
    let backend = match way {
        Answers => Some(Handler::echo()),
        Unavailable => Some(Handler::failing(Status::unavailable("down"), &Arc::default())),
        NotFound => Some(Handler::failing(Status::not_found(""), &Arc::default())),
        Refusal => Some(Handler::failing(Status::resource_exhausted("full"), &Arc::default())),
        Late => Some(Handler::echo_after(Duration::from_secs(60), &Arc::default())),
        _ => None,
    };
    if let Some(handler) = backend {
        let backend = Backend::start(handler);
        return (backend.address, Some(backend));
    }
    if way == Gone {
        let listener = std::net::TcpListener::bind((own_ip(), 0)).unwrap();
        return (listener.local_addr().unwrap(), None);
    }
    let (address, _played) = Wire::playing(move |mut wire| async move {
        // It may be asked again, for lack of another that was not.
        while let Some((stream, _)) = wire.next_request().await {
            match way {
                NotGrpc => wire.head_only(stream, &[(":status", "503"), ("content-type", "text/html")]).await,
                GoAway => wire.go_away(stream - 1, crate::http2_peer::NO_ERROR).await,
                RefusedStream => wire.reset(stream, REFUSED_STREAM).await,
                BreaksOff => return wire.head(stream, GRPC).await,
                _ => return,
            }
        }
    })
    .await;
    (address, None)
}

/// What is known of a call whose first attempt meets the first of `ways`, and so on, and its code.
async fn combined(ways: &[Way]) -> Result<(), (Failure, Code)> {
    let (mut addresses, mut kept) = (Vec::new(), Vec::new());
    for way in ways {
        let (address, backend) = endpoint(*way).await;
        addresses.push(address);
        kept.push(backend);
    }
    let config =
        retrying(&format!(r#", "maxAttempts": {}, "perAttemptRecvTimeout": "0.3s""#, ways.len().max(2)));
    let channel =
        builder(&config, &addresses).not_started_when(|status| status.message() == "full").build().unwrap();
    let ended = call(&channel, 1).await;
    ended.map(drop).map_err(|status| (Failure::of(&status), status.code()))
}

async fn assert_combined(cases: &[(&[Way], Failure, Code)]) {
    for (ways, failure, code) in cases {
        assert_eq!(combined(ways).await, Err((*failure, *code)), "{ways:?}");
    }
}

#[tokio::test]
async fn an_attempt_that_may_have_run_outweighs_later_ones_that_did_not() {
    for refused in [Gone, GoAway, RefusedStream, Refusal] {
        assert_combined(&[
            (&[Lost, refused], Failure::ConnectionLost, Code::Unavailable),
            (&[Late, refused], Failure::DeadlineExceeded, Code::DeadlineExceeded),
            (&[NotGrpc, refused], Failure::InvalidResponse, Code::Unavailable),
            (&[Unavailable, refused], Failure::ServerStatus, Code::Unavailable),
            (&[Lost, refused, refused], Failure::ConnectionLost, Code::Unavailable),
            (&[refused, Lost, refused], Failure::ConnectionLost, Code::Unavailable),
        ])
        .await;
    }
}

#[tokio::test]
async fn an_attempt_that_may_have_run_outweighs_earlier_ones_that_did_not() {
    for refused in [Gone, GoAway, RefusedStream, Refusal] {
        assert_combined(&[
            (&[refused, BreaksOff], Failure::ConnectionLost, Code::Unavailable),
            (&[refused, refused, BreaksOff], Failure::ConnectionLost, Code::Unavailable),
            (&[refused, NotFound], Failure::ServerStatus, Code::NotFound),
        ])
        .await;
    }
}

#[tokio::test]
async fn a_call_never_ran_where_no_attempt_may_have() {
    for ways in [&[Gone, Gone][..], &[Gone, GoAway], &[RefusedStream, Gone], &[Refusal, Gone, GoAway]] {
        assert_eq!(combined(ways).await, Err((Failure::NeverRan, Code::Unavailable)), "{ways:?}");
    }
    // A refusal is known to be one by whoever said what refusals are.
    assert_combined(&[(&[Gone, Refusal], Failure::ServerStatus, Code::ResourceExhausted)]).await;
}

#[tokio::test]
async fn an_answer_is_the_last_word() {
    for first in [Lost, Late, NotGrpc, Unavailable, Gone, GoAway, Refusal] {
        assert_eq!(combined(&[first, Answers]).await, Ok(()), "{first:?}");
        assert_combined(&[(&[first, NotFound], Failure::ServerStatus, Code::NotFound)]).await;
    }
}

#[tokio::test]
async fn of_two_attempts_that_may_have_run_the_last_one_is_told() {
    assert_combined(&[
        (&[Lost, Unavailable], Failure::ServerStatus, Code::Unavailable),
        (&[Unavailable, BreaksOff], Failure::ConnectionLost, Code::Unavailable),
        (&[Lost, Late], Failure::DeadlineExceeded, Code::DeadlineExceeded),
    ])
    .await;
}
