//! Calls that may have run. To tell any of them "never ran" could tell a customer "not charged" who was.

use std::{net::SocketAddr, time::Duration};

use grpc_client::Failure;
use tokio::{sync::oneshot, time::Instant};

use crate::{
    backend::{Backend, Handler},
    client::{call, call_by, channel_to, failure},
    http2_peer::{self, GRPC, Wire, framed},
};

/// What a call ends with at a peer that does `script` with its stream.
async fn ended_by<F>(script: impl FnOnce(Wire, u32) -> F + Send + 'static) -> Failure
where
    F: Future<Output = ()> + Send,
{
    let (address, _played) = Wire::playing(|mut wire| async move {
        let stream = wire.request().await;
        script(wire, stream).await;
    })
    .await;
    failure(call(&channel_to(address), 1).await)
}

#[tokio::test]
async fn a_stream_reset_with_any_reason_but_a_refusal() {
    for reason in (0..=13).filter(|reason| *reason != http2_peer::REFUSED_STREAM) {
        let ended = ended_by(move |mut wire, stream| async move {
            wire.reset(stream, reason).await;
            wire.stall().await;
        });
        assert_eq!(ended.await, Failure::ConnectionLost, "{reason}");
    }
}

#[tokio::test]
async fn a_connection_closed_over_an_open_stream() {
    assert_eq!(ended_by(|wire, _| async { drop(wire) }).await, Failure::ConnectionLost);
}

#[tokio::test]
async fn a_connection_closed_after_a_goaway_that_spared_the_stream() {
    for reason in [http2_peer::NO_ERROR, http2_peer::INTERNAL_ERROR, http2_peer::ENHANCE_YOUR_CALM] {
        for spared in [0, http2_peer::LAST_ID_MAX] {
            let ended = ended_by(move |mut wire, stream| async move {
                wire.go_away(stream.max(spared), reason).await;
            });
            assert_eq!(ended.await, Failure::ConnectionLost, "{reason}");
        }
    }
}

#[tokio::test]
async fn a_connection_closed_in_the_midst_of_a_graceful_shutdown() {
    let ended = ended_by(|mut wire, stream| async move {
        wire.go_away(http2_peer::LAST_ID_MAX, http2_peer::NO_ERROR).await;
        wire.go_away(stream, http2_peer::NO_ERROR).await;
    });
    assert_eq!(ended.await, Failure::ConnectionLost);
}

#[tokio::test]
async fn a_refusal_of_a_stream_that_was_already_being_answered() {
    for with_data in [false, true] {
        let ended = ended_by(move |mut wire, stream| async move {
            wire.head(stream, GRPC).await;
            if with_data {
                wire.data(stream, &framed(&[8, 1])).await;
            }
            wire.reset(stream, http2_peer::REFUSED_STREAM).await;
            wire.stall().await;
        });
        assert_eq!(ended.await, Failure::ConnectionLost, "{with_data}");
    }
}

#[tokio::test]
async fn a_goaway_that_disowns_a_stream_already_being_answered() {
    for reason in [http2_peer::NO_ERROR, http2_peer::INTERNAL_ERROR, http2_peer::ENHANCE_YOUR_CALM] {
        let ended = ended_by(move |mut wire, stream| async move {
            wire.head(stream, GRPC).await;
            wire.data(stream, &framed(&[8, 1])).await;
            wire.go_away(0, reason).await;
            wire.stall().await;
        });
        assert_eq!(ended.await, Failure::ConnectionLost, "{reason}");
    }
}

#[tokio::test]
async fn an_answer_broken_off_whose_head_claims_to_be_a_status() {
    for claim in [("x-channel-answered", "1"), ("grpc-status", "0")] {
        let ended = ended_by(move |mut wire, stream| async move {
            wire.head(stream, &[GRPC[0], claim]).await;
            wire.data(stream, &framed(&[8, 1])[..3]).await;
        });
        assert_eq!(ended.await, Failure::ConnectionLost, "{claim:?}");
    }
}

#[tokio::test]
async fn a_server_killed_while_the_handler_runs() {
    let (entered, runs) = oneshot::channel();
    let entered = std::sync::Mutex::new(Some(entered));
    let backend = Backend::start(Handler::new(move |_| {
        let _ = entered.lock().unwrap().take().unwrap().send(());
        std::future::pending()
    }));
    let channel = channel_to(backend.address);
    let called = tokio::spawn(async move { failure(call(&channel, 1).await) });
    runs.await.unwrap();
    backend.kill().await;
    assert_eq!(called.await.unwrap(), Failure::ConnectionLost);
}

/// A peer that stopped without closing anything: a frozen container, a cut cable.
#[tokio::test]
async fn a_peer_that_no_longer_answers_pings() {
    let (stalled, stalls) = oneshot::channel();
    let (address, _played): (SocketAddr, _) = Wire::playing(|mut wire| async move {
        wire.request().await;
        let _ = stalled.send(());
        wire.stall().await;
    })
    .await;
    let minute = Instant::now() + Duration::from_secs(60);
    let called = tokio::spawn(async move { failure(call_by(&channel_to(address), 1, minute).await) });
    stalls.await.unwrap();
    tokio::time::pause();
    let started = Instant::now();
    assert_eq!(called.await.unwrap(), Failure::ConnectionLost);
    assert!((10..=15).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}
