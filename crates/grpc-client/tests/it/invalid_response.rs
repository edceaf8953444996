//! Servers that do not speak gRPC, or break its protocol: the call may have run.

use std::{sync::atomic::Ordering, time::Duration};

use grpc_client::{Channel, Failure, Metrics};
use prometheus_client::registry::Registry;
use proto::order::order_client::OrderClient;
use tonic::Code;

use crate::{
    backend::{Backend, Handler},
    client::{balanced, builder, call, channel_to, failure, get, result_of},
    http2_peer::{
        Frame::{Data, End, Garbage, Headers, Trailers, TrailersOnly},
        GRPC, Http2Peer, OK, framed,
    },
    metrics::{endpoint_label, sample},
    raw_request::{code_of, send_whole},
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
        // No status at all, and none that is a number.
        vec![TrailersOnly(vec![GRPC])],
        vec![TrailersOnly(vec![GRPC, ("grpc-status", "x")])],
        vec![TrailersOnly(vec![GRPC, ("grpc-status", "")])],
        vec![TrailersOnly(vec![GRPC, OK, ("grpc-status", "14")])],
        vec![Headers(vec![GRPC, ("grpc-status", "x")]), End],
        vec![head.clone(), Trailers(vec![("grpc-status", "x")])],
        vec![head.clone(), Trailers(vec![OK, OK])],
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
async fn endpoint_whose_responses_have_no_valid_status_is_ejected() {
    let (head, message) = (Headers(vec![GRPC]), Data(framed(&[8, 1])));
    for frames in [
        vec![TrailersOnly(vec![GRPC])],
        vec![TrailersOnly(vec![GRPC, ("grpc-status", "x")])],
        vec![head.clone(), End],
        vec![head.clone(), message.clone(), End],
        vec![head.clone(), message.clone(), Trailers(vec![("x-other", "0")])],
        vec![head, message, Trailers(vec![("grpc-status", "x")])],
    ] {
        let mut registry = Registry::default();
        let (address, requests) = Http2Peer::repeating(frames.clone()).await;
        let backend = Backend::start(Handler::echo());
        let channel = builder(&balanced("round_robin"), &[address, backend.address])
            .metrics(Metrics::register(&mut registry))
            .build()
            .unwrap();
        let mut failures = Vec::new();
        for _ in 0..20 {
            failures.extend(call(&channel, 1).await.err().map(|status| Failure::of(&status)));
        }
        assert_eq!(failures, [Failure::InvalidResponse; 5], "{frames:?}");
        assert_eq!(requests.load(Ordering::Relaxed), 5, "{frames:?}");
        let label = endpoint_label(address);
        let ejections = sample(&registry, "grpc_client_endpoint_ejections_total", &[&label]);
        let attempts = |code| {
            let labels = [label.as_str(), code];
            sample(&registry, "grpc_client_attempt_duration_seconds_count", &labels)
        };
        let unknown = attempts("grpc_status=\"UNKNOWN\"");
        assert_eq!((ejections, unknown), (Some(1.0), Some(5.0)), "{frames:?}");
        assert_eq!(attempts("grpc_status=\"OK\""), None, "{frames:?}");
    }
}

/// A response of headers alone may be the success of a call without messages.
#[tokio::test]
async fn success_of_headers_alone_is_recorded_as_ok() {
    let mut registry = Registry::default();
    let (address, _) = Http2Peer::repeating(vec![TrailersOnly(vec![GRPC, OK])]).await;
    let channel = builder("{}", &[address]).metrics(Metrics::register(&mut registry)).build().unwrap();
    let response = send_whole(&channel, framed(&[8, 1])).await.unwrap();
    assert_eq!(code_of(response).await.unwrap(), Code::Ok);
    let labels = ["grpc_status=\"OK\""];
    assert_eq!(sample(&registry, "grpc_client_attempt_duration_seconds_count", &labels), Some(1.0));
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
