//! The body of a response: bounded in size and time, with the server's own status marked as such.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;
use tonic::Status;

use crate::{
    attempt::Attempt,
    failure::TransportError,
    server_status::{mark, parse_status, status_code},
};

/// The response body of a [`Channel`](crate::Channel), from which a generated client reads messages and
/// trailers.
///
/// Ends with an error at the call's deadline, and over the limit on its bytes.
#[derive(Debug)]
pub struct ResponseBody(Option<Incomplete>);

/// A response whose trailers have not arrived yet.
#[derive(Debug)]
struct Incomplete {
    stream: RecvStream,
    deadline: Pin<Box<Sleep>>,
    bytes_left: usize,
    bytes_max: usize,
    http: StatusCode,
    data_is_complete: bool,
    attempt: Attempt,
}

impl ResponseBody {
    /// The body of a response whose head is all of it.
    pub(crate) fn empty() -> Self {
        Self(None)
    }

    /// Wraps `response` to `attempt`. The attempt is recorded as finished when the response is complete.
    pub(crate) fn wrap(
        response: Response<RecvStream>,
        attempt: Attempt,
        deadline: Pin<Box<Sleep>>,
        bytes_max: usize,
    ) -> Response<Self> {
        let (head, stream) = response.into_parts();
        let (http, bytes_left, data_is_complete) = (head.status, bytes_max, false);
        let body = Incomplete { stream, deadline, bytes_left, bytes_max, http, data_is_complete, attempt };
        Response::from_parts(head, Self(Some(body)))
    }
}

impl Incomplete {
    /// The next frame. Every gRPC response ends with trailers, so that the end of the stream is an error.
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame<Bytes>, TransportError>> {
        if !self.data_is_complete {
            if let Some(data) = ready!(self.stream.poll_data(cx)) {
                return Poll::Ready(self.count_data(data));
            }
            self.data_is_complete = true;
        }
        Poll::Ready(match ready!(self.stream.poll_trailers(cx)) {
            Ok(trailers) => self.with_status(trailers),
            Err(error) => Err(TransportError::ResponseAborted(Arc::new(error))),
        })
    }

    fn with_status(&self, trailers: Option<HeaderMap>) -> Result<Frame<Bytes>, TransportError> {
        let code = trailers.as_ref().and_then(parse_status).and_then(Result::ok);
        match (trailers, code) {
            (Some(mut trailers), Some(code)) => {
                mark(&mut trailers, code);
                Ok(Frame::trailers(trailers))
            }
            _ => Err(TransportError::NoGrpcStatus(self.http)),
        }
    }

    fn count_data(&mut self, data: Result<Bytes, h2::Error>) -> Result<Frame<Bytes>, TransportError> {
        let data = data.map_err(|error| TransportError::ResponseAborted(Arc::new(error)))?;
        // An error means that the stream has ended, which the next poll shows.
        let _ = self.stream.flow_control().release_capacity(data.len());
        let bytes_left = self.bytes_left.checked_sub(data.len());
        self.bytes_left = bytes_left.ok_or(TransportError::ResponseTooLarge(self.bytes_max))?;
        Ok(Frame::data(data))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.0 else { return Poll::Ready(None) };
        let frame = match body.poll_stream(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                ready!(body.deadline.as_mut().poll(cx));
                Err(TransportError::DeadlineExceeded)
            }
        };
        let is_data = frame.as_ref().is_ok_and(Frame::is_data);
        if let Some(Incomplete { attempt, .. }) = this.0.take_if(|_| !is_data) {
            match &frame {
                Ok(frame) => {
                    let none = HeaderMap::new();
                    let trailers = frame.trailers_ref().unwrap_or(&none);
                    attempt.finish_with_status(status_code(trailers), trailers, false);
                }
                Err(error) => attempt.finish_with_error(error),
            }
        }
        Poll::Ready(Some(frame.map_err(Status::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
