//! A server that answers every HTTP/2 request with the same response, be it gRPC or not.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::AbortHandle,
};

/// What it answers.
pub(crate) type Answer = Response<BoxBody<Bytes, Infallible>>;

/// A running server; it takes no more connections when this is dropped.
pub(crate) struct Http2 {
    pub(crate) address: SocketAddr,
    serving: AbortHandle,
}

impl Http2 {
    /// A server whose every answer is made by `answer`.
    pub(crate) async fn answering(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::serving(move |_| std::future::ready(answer())).await
    }

    /// A server that takes every request and answers none.
    pub(crate) async fn hanging() -> Self {
        Self::serving(|_| std::future::pending()).await
    }

    /// The same; the headers of every request are sent to `told`.
    pub(crate) async fn hanging_told_to(told: mpsc::UnboundedSender<HeaderMap>) -> Self {
        Self::serving(move |request| {
            let _ = told.send(request.headers().clone());
            std::future::pending()
        })
        .await
    }

    async fn serving<F>(handler: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, handler.clone()));
            }
        });
        Self { address, serving: serving.abort_handle() }
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn connection<F>(stream: TcpStream, handler: impl Fn(Request<Incoming>) -> F + Send + Sync)
where
    F: Future<Output = Answer> + Send + 'static,
{
    let service = service_fn(|request| {
        let answered = handler(request);
        async { Ok::<_, Infallible>(answered.await) }
    });
    // However it ends: what the gateway makes of that is what the test looks at.
    let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// An answer that is no gRPC.
pub(crate) fn plain(status: StatusCode, kind: &str, body: &'static str) -> Answer {
    let body = Full::from(body).boxed();
    Response::builder().status(status).header(header::CONTENT_TYPE, kind).body(body).expect("a response")
}

/// A gRPC answer: `frame` as it is, then `trailers`.
pub(crate) fn grpc(frame: impl Into<Bytes>, trailers: &[(&'static str, &'static str)]) -> Answer {
    let trailers: HeaderMap = trailers
        .iter()
        .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
        .collect();
    let body = Full::new(frame.into()).with_trailers(std::future::ready(Some(Ok(trailers)))).boxed();
    Response::builder().header(header::CONTENT_TYPE, "application/grpc").body(body).expect("a response")
}

/// A gRPC answer that is all head: a status without a message.
pub(crate) fn status(headers: &[(&str, &str)]) -> Answer {
    let head = Response::builder().header(header::CONTENT_TYPE, "application/grpc");
    let head = headers.iter().fold(head, |head, (name, value)| head.header(*name, *value));
    head.body(Full::default().boxed()).expect("a response")
}

/// `message` with the prefix of one that is not compressed.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(message.len().try_into().expect("a short message"));
    frame.put_slice(message);
    frame.freeze()
}

/// A gRPC answer whose head comes and whose body never does.
pub(crate) fn stalled() -> Answer {
    Response::builder()
        .header(header::CONTENT_TYPE, "application/grpc")
        .body(Endless.boxed())
        .expect("a response")
}

struct Endless;

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}
