//! The conclusion from all attempts of a call: it never ran only if no attempt may have run.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use grpc_client::Failure;
use tonic::{Code, Status};

use crate::{
    backend::{Backend, Handler},
    client::{builder, call, retrying},
    http2_peer::{Frame, GRPC, Http2Peer, LastStream, NO_ERROR, REFUSED_STREAM},
    network::refused_address,
};

/// How an endpoint ends its attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ending {
    /// The connection closes with the stream open.
    ConnectionClosed,
    /// No response within the attempt's timeout.
    TimesOut,
    /// An HTTP status without a gRPC status.
    NoGrpcStatus,
    Unavailable,
    NotFound,
    Succeeds,
    /// The response ends after its headers.
    ResponseCutOff,
    /// A status that promises that the call did nothing.
    NotStarted,
    /// The connection is refused.
    ConnectionRefused,
    /// GOAWAY with a last id below the stream.
    GoAway,
    RefusedStream,
}

use Ending::{
    ConnectionClosed, ConnectionRefused, GoAway, NoGrpcStatus, NotFound, NotStarted, RefusedStream,
    ResponseCutOff, Succeeds, TimesOut, Unavailable,
};

/// An endpoint with this behaviour, and the backend that must stay alive.
async fn endpoint(ending: Ending) -> (SocketAddr, Option<Backend>) {
    let backend = match ending {
        Succeeds => Some(Handler::echo()),
        Unavailable => Some(Handler::failing(Status::unavailable("down"), &Arc::default())),
        NotFound => Some(Handler::failing(Status::not_found(""), &Arc::default())),
        NotStarted => Some(Handler::failing(Status::resource_exhausted("full"), &Arc::default())),
        TimesOut => Some(Handler::echo_after(Duration::from_secs(60), &Arc::default())),
        _ => None,
    };
    if let Some(handler) = backend {
        let backend = Backend::start(handler);
        return (backend.address, Some(backend));
    }
    if ending == ConnectionRefused {
        return (refused_address(), None);
    }
    let (address, _script) = Http2Peer::scripted(move |mut peer| async move {
        // The endpoint may get a second attempt if there is no untried one.
        while let Some((stream, _)) = peer.next_request().await {
            let frame = match ending {
                NoGrpcStatus => Frame::TrailersOnly(vec![(":status", "503"), ("content-type", "text/html")]),
                GoAway => Frame::GoAway(LastStream::BeforeRequest, NO_ERROR),
                RefusedStream => Frame::Reset(REFUSED_STREAM),
                ResponseCutOff => Frame::Headers(vec![GRPC]),
                _ => return,
            };
            peer.send(stream, frame).await;
            if ending == ResponseCutOff {
                return;
            }
        }
    })
    .await;
    (address, None)
}

/// The classification and code of a call whose attempts end with `endings`, in that order.
async fn outcome(endings: &[Ending]) -> Result<(), (Failure, Code)> {
    let (mut addresses, mut backends) = (Vec::new(), Vec::new());
    for ending in endings {
        let (address, backend) = endpoint(*ending).await;
        addresses.push(address);
        backends.push(backend);
    }
    let config =
        retrying(&format!(r#", "maxAttempts": {}, "perAttemptRecvTimeout": "0.3s""#, endings.len().max(2)));
    let channel =
        builder(&config, &addresses).not_started_when(|status| status.message() == "full").build().unwrap();
    let result = call(&channel, 1).await;
    result.map(drop).map_err(|status| (Failure::of(&status), status.code()))
}

async fn assert_outcomes(cases: &[(&[Ending], Failure, Code)]) {
    for (endings, failure, code) in cases {
        assert_eq!(outcome(endings).await, Err((*failure, *code)), "{endings:?}");
    }
}

#[tokio::test]
async fn attempt_that_may_have_run_outweighs_later_unprocessed_ones() {
    for unprocessed in [ConnectionRefused, GoAway, RefusedStream, NotStarted] {
        assert_outcomes(&[
            (&[ConnectionClosed, unprocessed], Failure::ConnectionLost, Code::Unavailable),
            (&[TimesOut, unprocessed], Failure::DeadlineExceeded, Code::DeadlineExceeded),
            (&[NoGrpcStatus, unprocessed], Failure::InvalidResponse, Code::Unavailable),
            (&[Unavailable, unprocessed], Failure::ServerStatus, Code::Unavailable),
            (&[ConnectionClosed, unprocessed, unprocessed], Failure::ConnectionLost, Code::Unavailable),
            (&[unprocessed, ConnectionClosed, unprocessed], Failure::ConnectionLost, Code::Unavailable),
        ])
        .await;
    }
}

#[tokio::test]
async fn attempt_that_may_have_run_outweighs_earlier_unprocessed_ones() {
    for unprocessed in [ConnectionRefused, GoAway, RefusedStream, NotStarted] {
        assert_outcomes(&[
            (&[unprocessed, ResponseCutOff], Failure::ConnectionLost, Code::Unavailable),
            (&[ConnectionRefused, unprocessed, ResponseCutOff], Failure::ConnectionLost, Code::Unavailable),
            (&[unprocessed, NotFound], Failure::ServerStatus, Code::NotFound),
        ])
        .await;
    }
}

#[tokio::test]
async fn call_never_ran_if_every_attempt_was_unprocessed() {
    for endings in [
        &[ConnectionRefused, ConnectionRefused][..],
        &[ConnectionRefused, GoAway],
        &[RefusedStream, ConnectionRefused],
        &[ConnectionRefused, RefusedStream, GoAway],
    ] {
        assert_eq!(outcome(endings).await, Err((Failure::NeverRan, Code::Unavailable)), "{endings:?}");
    }
    // The status itself tells the client that the call was not started.
    assert_outcomes(&[(&[ConnectionRefused, NotStarted], Failure::ServerStatus, Code::ResourceExhausted)])
        .await;
}

#[tokio::test]
async fn status_of_the_last_attempt_is_the_result() {
    for first in
        [ConnectionClosed, TimesOut, NoGrpcStatus, Unavailable, ConnectionRefused, GoAway, NotStarted]
    {
        assert_eq!(outcome(&[first, Succeeds]).await, Ok(()), "{first:?}");
        assert_outcomes(&[(&[first, NotFound], Failure::ServerStatus, Code::NotFound)]).await;
    }
}

#[tokio::test]
async fn last_of_two_attempts_that_may_have_run_is_the_result() {
    assert_outcomes(&[
        (&[ConnectionClosed, Unavailable], Failure::ServerStatus, Code::Unavailable),
        (&[Unavailable, ResponseCutOff], Failure::ConnectionLost, Code::Unavailable),
        (&[ConnectionClosed, TimesOut], Failure::DeadlineExceeded, Code::DeadlineExceeded),
    ])
    .await;
}
