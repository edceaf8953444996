//! How a report gets into an answer: beside its status, wherever that is.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use grpc_client::orca::TRAILER;
use http::{HeaderMap, HeaderValue, Response};
use http_body::{Frame, SizeHint};
use tonic::{Code, Status, body::Body};

/// Where an answer's status is.
const GRPC_STATUS: &str = "grpc-status";

/// Who knows what is reported.
pub(crate) trait Reporter: Send + Sync + 'static {
    /// Counts an answer that ends with this code, and returns the report that goes with it.
    fn report(&self, answered: Code) -> HeaderValue;
}

/// The body of an answer, with a report in its trailers.
pub(crate) struct Reporting<R> {
    body: Body,
    reporter: Arc<R>,
}

impl<R: Reporter> Reporting<R> {
    /// `response` with a report in its trailers; its headers are those where nothing else follows (gRPC over HTTP/2,
    /// "Trailers-Only").
    pub(crate) fn add(reporter: Arc<R>, mut response: Response<Body>) -> Response<Body> {
        if response.headers().contains_key(GRPC_STATUS) {
            report(&*reporter, response.headers_mut());
            return response;
        }
        response.map(|body| Body::new(Self { body, reporter }))
    }
}

fn report(reporter: &impl Reporter, trailers: &mut HeaderMap) {
    let code = trailers.get(GRPC_STATUS).map_or(Code::Unknown, |code| Code::from_bytes(code.as_bytes()));
    trailers.insert(TRAILER, reporter.report(code));
}

impl<R: Reporter> http_body::Body for Reporting<R> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            frame.map(|mut frame| {
                if let Some(trailers) = frame.trailers_mut() {
                    report(&*self.reporter, trailers);
                }
                frame
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
