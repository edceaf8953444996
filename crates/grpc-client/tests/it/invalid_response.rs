//! Servers that do not speak gRPC, or break its protocol: the call may have run.

use std::time::Duration;

use grpc_client::{Channel, Failure};
use proto::order::order_client::OrderClient;

use crate::{
    client::{call, channel_to, failure, get, result_of},
    http2_peer::{
        Frame::{Data, End, Garbage, Headers, Trailers, TrailersOnly},
        GRPC, Http2Peer, OK, framed,
    },
};

#[tokio::test]
async fn http_response_that_is_not_grpc() {
    for status in ["200", "301", "400", "401", "403", "404", "415", "429", "500", "502", "503", "504"] {
        for content_type in ["text/html", "application/json", "application/grpc"] {
            if (status, content_type) == ("200", "application/grpc") {
                continue;
            }
            let head = Headers(vec![(":status", status), ("content-type", content_type)]);
            let result = result_of(&[head, Data(b"<h1>no backend</h1>".to_vec()), End]).await;
            assert_eq!(failure(result), Failure::InvalidResponse, "{status} {content_type}");
        }
    }
}

#[tokio::test]
async fn response_without_status_or_message_and_protocol_violations() {
    let (head, message) = (Headers(vec![GRPC]), Data(framed(&[8, 1])));
    let mut scripts = vec![
        // Without trailers.
        vec![head.clone(), End],
        vec![head.clone(), message.clone(), End],
        // Trailers without a status; the channel's own mark is forged.
        vec![head.clone(), message, Trailers(vec![("x-channel-answered", "1")])],
        // Success without a message.
        vec![TrailersOnly(vec![GRPC, OK])],
        // An encoding that the client does not accept.
        vec![Headers(vec![GRPC, ("grpc-encoding", "br")]), Data(vec![1, 0, 0, 0, 1, 0]), Trailers(vec![OK])],
        vec![Garbage],
    ];
    // A varint without end, an unknown compression flag, compression that was not negotiated, a truncated
    // message.
    for body in
        [framed(&[8, 0xff]), vec![7, 0, 0, 0, 0], vec![1, 0, 0, 0, 1, 0], framed(&[8, 1])[..6].to_vec()]
    {
        for head in [vec![GRPC], vec![GRPC, OK]] {
            scripts.push(vec![Headers(head), Data(body.clone()), Trailers(vec![OK])]);
        }
    }
    for frames in scripts {
        assert_eq!(failure(result_of(&frames).await), Failure::InvalidResponse, "{frames:?}");
    }
}

#[tokio::test]
async fn response_over_the_limit_is_too_large_and_one_at_the_limit_is_not() {
    // GetOrderResponse { decline_reason: "x" * 1000 }
    let body = framed(&[&[0xa2, 0x01, 0xe8, 0x07], &[b'x'; 1000][..]].concat());
    for (bytes_max, too_large) in [(body.len(), false), (body.len() - 1, true)] {
        let (first, second) = (body[..500].to_vec(), body[500..].to_vec());
        let frames = vec![Headers(vec![GRPC]), Data(first), Data(second), Trailers(vec![OK])];
        let target = Http2Peer::responding(frames).await.to_string().parse().unwrap();
        let result = call(&Channel::builder(target).response_bytes_max(bytes_max).build().unwrap(), 1).await;
        let failed = result.err().map(|status| Failure::of(&status));
        assert_eq!(failed, too_large.then_some(Failure::ResponseTooLarge));
    }
}

/// The reason why the README advises raising the generated client's own limit.
#[tokio::test]
async fn response_over_the_generated_clients_limit_is_not_a_server_status() {
    let frames = vec![Headers(vec![GRPC]), Data(framed(&[8, 1])), Trailers(vec![OK])];
    let channel = channel_to(Http2Peer::responding(frames).await);
    let mut client = OrderClient::new(channel).max_decoding_message_size(1);
    let result = tokio::time::timeout(Duration::from_secs(5), client.get(get(1))).await.unwrap();
    assert_ne!(failure(result), Failure::ServerStatus);
}
