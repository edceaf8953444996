//! A server that sends the same HTTP/2 response to every request, as gRPC or not.

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

/// A response with any body.
pub(crate) type BoxResponse = Response<BoxBody<Bytes, Infallible>>;

/// A running server; it accepts no more connections after it is dropped.
pub(crate) struct Http2Server {
    pub(crate) address: SocketAddr,
    serving: AbortHandle,
}

impl Http2Server {
    /// Starts a server whose responses come from `response`.
    pub(crate) async fn responding(response: impl Fn() -> BoxResponse + Send + Sync + 'static) -> Self {
        let response = Arc::new(response);
        Self::serving(move |_| std::future::ready(response())).await
    }

    /// Starts a server that never responds.
    pub(crate) async fn hanging() -> Self {
        Self::serving(|_| std::future::pending()).await
    }

    /// Starts a server that never responds and sends the headers of every request to `requests`.
    pub(crate) async fn hanging_reporting_to(requests: mpsc::UnboundedSender<HeaderMap>) -> Self {
        Self::serving(move |request| {
            let _ = requests.send(request.headers().clone());
            std::future::pending()
        })
        .await
    }

    async fn serving<F>(handler: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = BoxResponse> + Send + 'static,
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

impl Drop for Http2Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn connection<F>(stream: TcpStream, handler: impl Fn(Request<Incoming>) -> F + Send + Sync)
where
    F: Future<Output = BoxResponse> + Send + 'static,
{
    let service = service_fn(|request| {
        let response = handler(request);
        async { Ok::<_, Infallible>(response.await) }
    });
    // The tests look at the gateway's reaction, not at this result.
    let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// A response that is not gRPC.
pub(crate) fn plain(status: StatusCode, kind: &str, body: &'static str) -> BoxResponse {
    let body = Full::from(body).boxed();
    Response::builder().status(status).header(header::CONTENT_TYPE, kind).body(body).expect("a response")
}

/// A gRPC response with `frame` as its body, and `trailers`.
pub(crate) fn grpc(frame: impl Into<Bytes>, trailers: &[(&'static str, &'static str)]) -> BoxResponse {
    let trailers: HeaderMap = trailers
        .iter()
        .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
        .collect();
    let body = Full::new(frame.into()).with_trailers(std::future::ready(Some(Ok(trailers)))).boxed();
    Response::builder().header(header::CONTENT_TYPE, "application/grpc").body(body).expect("a response")
}

/// A trailers-only gRPC response.
pub(crate) fn status(headers: &[(&str, &str)]) -> BoxResponse {
    let head = Response::builder().header(header::CONTENT_TYPE, "application/grpc");
    let head = headers.iter().fold(head, |head, (name, value)| head.header(*name, *value));
    head.body(Full::default().boxed()).expect("a response")
}

/// `message` with the gRPC prefix of an uncompressed message.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(message.len().try_into().expect("a short message"));
    frame.put_slice(message);
    frame.freeze()
}

/// A gRPC response whose body never ends.
pub(crate) fn stalled() -> BoxResponse {
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
