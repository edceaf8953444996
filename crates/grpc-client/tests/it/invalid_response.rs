//! Peers that do not speak gRPC, or speak it wrongly: what they did is not known.

use std::time::Duration;

use grpc_client::{Channel, Failure};
use proto::order::{GetOrderResponse, order_client::OrderClient};
use tonic::{Response, Status};

use crate::{
    client::{call, channel_to, failure, get},
    http2_peer::{GRPC, Wire, framed},
};

/// What a call ends with at a peer that answers it by `script` and keeps the connection.
async fn answered_by<F>(
    script: impl FnOnce(Wire, u32) -> F + Send + 'static,
) -> Result<Response<GetOrderResponse>, Status>
where
    F: Future<Output = Wire> + Send,
{
    let (address, _played) = Wire::playing(|mut wire| async move {
        let stream = wire.request().await;
        script(wire, stream).await.stall().await;
    })
    .await;
    call(&channel_to(address), 1).await
}

#[tokio::test]
async fn a_bare_http_status() {
    for status in ["200", "301", "400", "401", "403", "404", "415", "429", "500", "502", "503", "504"] {
        for kind in ["text/html", "application/json", "application/grpc"] {
            if (status, kind) == ("200", "application/grpc") {
                continue;
            }
            let ended = answered_by(move |mut wire, stream| async move {
                wire.head(stream, &[(":status", status), ("content-type", kind)]).await;
                wire.data(stream, b"<h1>no backend</h1>").await;
                wire.end(stream).await;
                wire
            });
            assert_eq!(failure(ended.await), Failure::InvalidResponse, "{status} {kind}");
        }
    }
}

#[tokio::test]
async fn an_answer_without_trailers() {
    for with_data in [false, true] {
        let ended = answered_by(move |mut wire, stream| async move {
            wire.head(stream, GRPC).await;
            if with_data {
                wire.data(stream, &framed(&[8, 1])).await;
            }
            wire.end(stream).await;
            wire
        });
        assert_eq!(failure(ended.await), Failure::InvalidResponse, "{with_data}");
    }
}

#[tokio::test]
async fn trailers_without_a_status() {
    let ended = answered_by(|mut wire, stream| async move {
        wire.head(stream, GRPC).await;
        wire.data(stream, &framed(&[8, 1])).await;
        wire.trailers(stream, &[("x-channel-answered", "1")]).await;
        wire
    });
    assert_eq!(failure(ended.await), Failure::InvalidResponse);
}

#[tokio::test]
async fn a_message_that_does_not_decode() {
    // A varint without end, an unknown compression flag, compression that was not agreed on, a message cut short.
    let bodies: [&[u8]; 4] =
        [&framed(&[8, 0xff]), &[7, 0, 0, 0, 0], &[1, 0, 0, 0, 1, 0], &framed(&[8, 1])[..6]];
    for body in bodies.map(<[u8]>::to_vec) {
        let seen = format!("{body:?}");
        for status_in_head in [false, true] {
            let body = body.clone();
            let ended = answered_by(move |mut wire, stream| async move {
                let status = ("grpc-status", "0");
                let head = [GRPC[0], status];
                wire.head(stream, &head[..if status_in_head { 2 } else { 1 }]).await;
                wire.data(stream, &body).await;
                wire.trailers(stream, &[status]).await;
                wire
            });
            assert_eq!(failure(ended.await), Failure::InvalidResponse, "{seen}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_ok_and_holds_no_message() {
    let ended = answered_by(|mut wire, stream| async move {
        wire.head_only(stream, &[GRPC[0], ("grpc-status", "0")]).await;
        wire
    });
    assert_eq!(failure(ended.await), Failure::InvalidResponse);
}

#[tokio::test]
async fn an_encoding_that_was_not_asked_for() {
    let ended = answered_by(|mut wire, stream| async move {
        wire.head(stream, &[GRPC[0], ("grpc-encoding", "br")]).await;
        wire.data(stream, &[1, 0, 0, 0, 1, 0]).await;
        wire.trailers(stream, &[("grpc-status", "0")]).await;
        wire
    });
    assert_eq!(failure(ended.await), Failure::InvalidResponse);
}

#[tokio::test]
async fn a_peer_that_breaks_the_protocol() {
    let ended = answered_by(|mut wire, _| async move {
        wire.garbage().await;
        wire
    });
    assert_eq!(failure(ended.await), Failure::InvalidResponse);
}

#[tokio::test]
async fn an_answer_over_the_limit_is_too_large_and_one_at_the_limit_is_not() {
    // GetOrderResponse { decline_reason: "x" * 1000 }
    let body = framed(&[&[0xa2, 0x01, 0xe8, 0x07], &[b'x'; 1000][..]].concat());
    for (room, too_large) in [(body.len(), false), (body.len() - 1, true)] {
        let body = body.clone();
        let (address, _played) = Wire::playing(|mut wire| async move {
            let stream = wire.request().await;
            wire.head(stream, GRPC).await;
            wire.data(stream, &body[..500]).await;
            wire.data(stream, &body[500..]).await;
            wire.trailers(stream, &[("grpc-status", "0")]).await;
            wire.stall().await;
        })
        .await;
        let channel =
            Channel::builder(address.to_string().parse().unwrap()).response_bytes_max(room).build().unwrap();
        let ended = call(&channel, 1).await;
        assert_eq!(
            ended.err().map(|status| Failure::of(&status)),
            too_large.then_some(Failure::ResponseTooLarge)
        );
    }
}

/// Why generated clients are told to leave the bound on answers to the channel.
#[tokio::test]
async fn an_answer_over_the_clients_own_limit_is_told_from_an_answer() {
    let (address, _played) = Wire::playing(|mut wire| async move {
        let stream = wire.request().await;
        wire.head(stream, GRPC).await;
        wire.data(stream, &framed(&[8, 1])).await;
        wire.trailers(stream, &[("grpc-status", "0")]).await;
        wire.stall().await;
    })
    .await;
    let mut client = OrderClient::new(channel_to(address)).max_decoding_message_size(1);
    let ended = tokio::time::timeout(Duration::from_secs(5), client.get(get(1))).await.unwrap();
    assert_ne!(failure(ended), Failure::ServerStatus);
}
