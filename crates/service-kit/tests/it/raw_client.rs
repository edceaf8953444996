//! gRPC calls over plain HTTP/2: the test sets every header and reads the trailers. Unlike a gRPC library,
//! the client has no timer for the deadline.

use bytes::Bytes;
use http::{HeaderMap, Request, request::Builder, response::Parts};
use http_body_util::{BodyExt, Collected, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use prost::Message;
use proto::order::GetOrderRequest;
use tonic::{Code, Status};

use crate::serving::{Serving, soon};

type Headers<'a> = [(&'a str, &'a str)];

/// A client of one server.
pub(crate) struct RawClient {
    base: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// The response to a call.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: Status,
    /// The trailers, or the headers of a response without a body.
    pub(crate) trailers: HeaderMap,
}

impl RawClient {
    pub(crate) fn new(serving: &Serving) -> Self {
        let mut connector = HttpConnector::new();
        // Nagle's algorithm delays a message until its headers are acknowledged.
        connector.set_nodelay(true);
        let http = Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
        Self { base: format!("http://{}", serving.address), http }
    }

    /// Calls `Order/Get`.
    pub(crate) async fn get(&self, id: i64, headers: &Headers<'_>) -> Response {
        self.call("/Order/Get", &GetOrderRequest { order_id: id, user_id: 0 }, headers).await
    }

    pub(crate) async fn call(&self, path: &str, message: &impl Message, headers: &Headers<'_>) -> Response {
        let mut request = self.post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, body) = self.send(request, &framed(message)).await;
        let trailers = body.trailers().cloned().unwrap_or(head.headers);
        Response { status: Status::from_header_map(&trailers).unwrap(), trailers }
    }

    /// Sends `body` as it is, and returns the whole response.
    pub(crate) async fn send(&self, request: Builder, body: &[u8]) -> (Parts, Collected<Bytes>) {
        let body = Full::new(Bytes::copy_from_slice(body));
        let response = self.http.request(request.body(body).unwrap());
        let (head, body) = soon(response).await.unwrap().into_parts();
        (head, soon(body.collect()).await.unwrap())
    }

    /// A call of `path` without a body.
    pub(crate) fn post(&self, path: &str) -> Builder {
        Request::post(format!("{}{path}", self.base))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
    }
}

/// The bytes of `message` in a request.
pub(crate) fn framed(message: &impl Message) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
    message.encode(&mut frame).unwrap();
    frame
}

impl Response {
    pub(crate) fn code(&self) -> Code {
        self.status.code()
    }
}
