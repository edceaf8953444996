//! The load report of a response, beside its status: in the headers or in the trailers.

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

/// The header or trailer with the status.
const GRPC_STATUS: &str = "grpc-status";

/// The source of reports.
pub(crate) trait Reporter: Send + Sync + 'static {
    /// Counts a response with this code, and returns its report.
    fn report(&self, code: Code) -> HeaderValue;
}

/// A response body with a report in its trailers.
pub(crate) struct Reporting<R> {
    body: Body,
    reporter: Arc<R>,
}

impl<R: Reporter> Reporting<R> {
    /// `response` with a report in its trailers, or in the headers of a "Trailers-Only" response (gRPC over
    /// HTTP/2).
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
