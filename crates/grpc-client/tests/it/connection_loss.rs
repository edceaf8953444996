//! Calls that may have run. If such a call were classified as "never ran", a gateway could report a charge as
//! not made.

use grpc_client::Failure;
use tokio::{sync::oneshot, time::Instant};

use crate::{
    backend::{Backend, Handler},
    client::{call, call_by, channel_to, failure, result_of},
    http2_peer::{
        ENHANCE_YOUR_CALM,
        Frame::{Close, Data, GoAway, Headers, Reset},
        GRPC, Http2Peer, INTERNAL_ERROR, LastStream, NO_ERROR, OK, REFUSED_STREAM, framed,
    },
};

const REASONS: [u32; 3] = [NO_ERROR, INTERNAL_ERROR, ENHANCE_YOUR_CALM];

#[tokio::test]
async fn reset_with_any_code_but_refused_stream_is_connection_loss() {
    for code in (0..=13).filter(|code| *code != REFUSED_STREAM) {
        assert_eq!(failure(result_of(&[Reset(code)]).await), Failure::ConnectionLost, "{code}");
    }
}

#[tokio::test]
async fn connection_closed_with_an_open_stream_is_connection_loss() {
    let graceful = vec![GoAway(LastStream::Max, NO_ERROR), GoAway(LastStream::OfRequest, NO_ERROR), Close];
    let mut scripts = vec![vec![Close], graceful];
    for reason in REASONS {
        scripts.push(vec![GoAway(LastStream::OfRequest, reason), Close]);
        scripts.push(vec![GoAway(LastStream::Max, reason), Close]);
    }
    for frames in scripts {
        assert_eq!(failure(result_of(&frames).await), Failure::ConnectionLost, "{frames:?}");
    }
}

/// Response headers prove that the call has run. A later REFUSED_STREAM or GOAWAY does not disprove it, nor
/// does a header that only this crate may set.
#[tokio::test]
async fn response_cut_off_after_its_headers_is_connection_loss() {
    let (head, data) = (Headers(vec![GRPC]), Data(framed(&[8, 1])));
    let mut scripts = vec![
        vec![head.clone(), Reset(REFUSED_STREAM)],
        vec![head.clone(), data.clone(), Reset(REFUSED_STREAM)],
    ];
    for reason in REASONS {
        scripts.push(vec![head.clone(), data.clone(), GoAway(LastStream::Zero, reason)]);
    }
    for forged in [("x-channel-answered", "1"), OK] {
        scripts.push(vec![Headers(vec![GRPC, forged]), Data(framed(&[8, 1])[..3].to_vec()), Close]);
    }
    for frames in scripts {
        assert_eq!(failure(result_of(&frames).await), Failure::ConnectionLost, "{frames:?}");
    }
}

#[tokio::test]
async fn server_killed_while_the_handler_runs_is_connection_loss() {
    let (entered, handler_entered) = oneshot::channel();
    let entered = std::sync::Mutex::new(Some(entered));
    let backend = Backend::start(Handler::new(move |_| {
        let _ = entered.lock().unwrap().take().unwrap().send(());
        std::future::pending()
    }));
    let channel = channel_to(backend.address);
    let call = tokio::spawn(async move { failure(call(&channel, 1).await) });
    handler_entered.await.unwrap();
    backend.kill().await;
    assert_eq!(call.await.unwrap(), Failure::ConnectionLost);
}

/// For instance a frozen container, or a cut cable.
#[tokio::test]
async fn peer_that_responds_to_no_ping_is_connection_loss_after_10_to_15_seconds() {
    let (received, request_received) = oneshot::channel();
    let (address, _script) = Http2Peer::scripted(|mut peer| async move {
        peer.request().await;
        let _ = received.send(());
        peer.keep_open().await;
    })
    .await;
    let deadline = Instant::now() + std::time::Duration::from_secs(60);
    let call = tokio::spawn(async move { failure(call_by(&channel_to(address), 1, deadline).await) });
    request_received.await.unwrap();
    tokio::time::pause();
    let started = Instant::now();
    assert_eq!(call.await.unwrap(), Failure::ConnectionLost);
    assert!((10..=15).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}
