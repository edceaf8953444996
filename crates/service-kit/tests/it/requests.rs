//! Requests that are no calls, or not those of a unary method, are rejected before any handler runs.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::{Method, StatusCode, header};
use service_kit::env::Mode;
use tonic::{Code, Status};

use crate::{
    raw_client::{RawClient, framed},
    serving::{Handler, Serving, get, order},
};

const PATHS: [&str; 6] = [
    "/Order/Get",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/",
];

/// A server in development, its client, and the count of calls of its handler.
async fn counting() -> (Serving, RawClient, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let handler = Handler::new(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok(order(1)) }
    });
    let serving = Serving::start_in(Mode::Development, handler).await;
    let client = RawClient::new(&serving);
    (serving, client, calls)
}

#[tokio::test]
async fn other_methods_than_post_are_405() {
    let (_serving, client, calls) = counting().await;
    for path in PATHS {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH]
        {
            let (head, body) = client.send(client.post(path).method(method), &framed(get(1).get_ref())).await;
            assert_eq!(head.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
            assert_eq!(head.headers[header::ALLOW], "POST");
            assert!(body.to_bytes().is_empty());
        }
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn other_content_types_than_grpc_are_415() {
    let (_serving, client, calls) = counting().await;
    let send = async |path: &str, content_type: Option<&str>| {
        let mut request = client.post(path);
        let headers = request.headers_mut().unwrap();
        headers.remove(header::CONTENT_TYPE);
        if let Some(value) = content_type {
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
        }
        client.send(request, &framed(get(1).get_ref())).await.0.status
    };
    for path in PATHS {
        for rejected in [
            None,
            Some("text/plain"),
            Some("application/json"),
            Some("application/grpc-web+proto"),
            Some("application/grpc+json"),
        ] {
            assert_eq!(send(path, rejected).await, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path} {rejected:?}");
        }
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    for accepted in ["application/grpc+proto", "Application/gRPC; charset=utf-8"] {
        assert_eq!(send("/Order/Get", Some(accepted)).await, StatusCode::OK);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_unary_call_has_one_message() {
    let (serving, client, calls) = counting().await;
    let message = framed(get(1).get_ref());
    let two = message.repeat(2);
    for path in ["/Order/Get", "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"] {
        for (body, text) in
            [(&[][..], "the request has no message"), (&two, "the request has more than one message")]
        {
            let (head, body) = client.send(client.post(path), body).await;
            let status = Status::from_header_map(body.trailers().unwrap_or(&head.headers)).unwrap();
            assert_eq!((status.code(), status.message()), (Code::Unimplemented, text), "{path}");
        }
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    assert_eq!(serving.metric("grpc_server_in_flight").await, 0);
}
