//! Calls that the generated client cannot make: streaming and large requests, streaming responses.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use grpc_client::{Channel, ResponseBody};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use tokio::sync::mpsc;
use tonic::Status;
use tower::Service;

/// A request body that arrives in pieces.
struct Pieces(mpsc::Receiver<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Calls `Order/Get` with a body of `pieces`, until their sender is dropped.
pub(crate) async fn send_pieces(
    channel: &Channel,
    pieces: mpsc::Receiver<Bytes>,
) -> Result<Response<ResponseBody>, Status> {
    let request =
        Request::post("/Order/Get").header("content-type", "application/grpc").header("te", "trailers");
    channel.clone().call(request.body(tonic::body::Body::new(Pieces(pieces))).unwrap()).await
}

/// As [`send_pieces`], with a complete body.
pub(crate) async fn send_whole(channel: &Channel, body: Vec<u8>) -> Result<Response<ResponseBody>, Status> {
    let (sender, pieces) = mpsc::channel(1);
    sender.try_send(body.into()).unwrap();
    drop(sender);
    send_pieces(channel, pieces).await
}

/// The next frame of a response.
pub(crate) async fn frame(body: &mut ResponseBody) -> Result<Frame<Bytes>, Status> {
    std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await.unwrap()
}

/// The code at the end of a response, after its data.
pub(crate) async fn code_of(response: Response<ResponseBody>) -> Result<tonic::Code, Status> {
    let code = |headers: &HeaderMap| Status::from_header_map(headers).map(|status| status.code());
    if let Some(code) = code(response.headers()) {
        return Ok(code);
    }
    let mut body = response.into_body();
    loop {
        if let Some(code) = frame(&mut body).await?.trailers_ref().and_then(code) {
            return Ok(code);
        }
    }
}
