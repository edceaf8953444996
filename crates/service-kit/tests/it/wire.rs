//! A call whose every header the test decides, and an answer with its trailers: no timer of a client's
//! library stands between.

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use prost::Message;
use proto::order::GetOrderRequest;
use tonic::{Code, Status};

use crate::serving::{Serving, soon};

/// A client of one server.
pub(crate) struct Wire {
    base: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: Status,
    /// Those beside the status.
    pub(crate) trailers: HeaderMap,
}

impl Wire {
    pub(crate) fn to(serving: &Serving) -> Self {
        let mut connector = HttpConnector::new();
        // Without it a message waits for the acknowledgement of its headers.
        connector.set_nodelay(true);
        let http = Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
        Self { base: format!("http://{}", serving.address), http }
    }

    /// Calls `Order/Get`.
    pub(crate) async fn get(&self, id: i64, headers: &[(&str, &str)]) -> Answer {
        self.call("/Order/Get", &GetOrderRequest { order_id: id, user_id: 0 }, headers).await
    }

    pub(crate) async fn call(&self, path: &str, message: &impl Message, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(format!("{}{path}", self.base))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut frame = vec![0];
        frame.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
        message.encode(&mut frame).unwrap();
        let sent = self.http.request(request.body(Full::new(frame.into())).unwrap());
        let (head, body) = soon(sent).await.unwrap().into_parts();
        let body = soon(body.collect()).await.unwrap();
        let trailers = body.trailers().cloned().unwrap_or(head.headers);
        Answer { status: Status::from_header_map(&trailers).unwrap(), trailers }
    }
}

impl Answer {
    pub(crate) fn code(&self) -> Code {
        self.status.code()
    }
}
