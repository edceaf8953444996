//! The body of an answer on its way in: bounded in size and time, and with the status that the backend
//! sent marked as such.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;
use tonic::{Code, Status, metadata::MetadataMap};

use crate::{
    attempt::Attempt,
    failure::{ANSWERED, Raised},
};

/// The number of a gRPC code.
pub(crate) const GRPC_STATUS: &str = "grpc-status";
/// A serialized `google.rpc.Status`, in base64.
const DETAILS: &str = "grpc-status-details-bin";

/// What a generated client reads an answer from.
#[derive(Debug)]
pub struct Checked(Option<Reading>);

/// An answer that is not complete yet.
#[derive(Debug)]
struct Reading {
    stream: RecvStream,
    deadline: Pin<Box<Sleep>>,
    bytes_left: usize,
    bytes_max: usize,
    http: StatusCode,
    data_is_complete: bool,
    attempt: Attempt,
}

impl Checked {
    /// Nothing comes after the head.
    pub(crate) fn empty() -> Self {
        Self(None)
    }

    /// The rest of the answer to `attempt`, which comes with `http` as its status.
    pub(crate) fn new(
        stream: RecvStream,
        deadline: Pin<Box<Sleep>>,
        bytes_max: usize,
        http: StatusCode,
        attempt: Attempt,
    ) -> Self {
        let (bytes_left, data_is_complete) = (bytes_max, false);
        Self(Some(Reading { stream, deadline, bytes_left, bytes_max, http, data_is_complete, attempt }))
    }
}

impl Reading {
    /// The next frame; that there is none is never the end of a gRPC answer.
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame<Bytes>, Raised>> {
        if !self.data_is_complete {
            if let Some(data) = ready!(self.stream.poll_data(cx)) {
                return Poll::Ready(self.take(data));
            }
            self.data_is_complete = true;
        }
        Poll::Ready(match ready!(self.stream.poll_trailers(cx)) {
            Ok(Some(mut trailers)) if trailers.contains_key(GRPC_STATUS) => {
                mark(&mut trailers);
                Ok(Frame::trailers(trailers))
            }
            Ok(_) => Err(Raised::NotGrpc(self.http)),
            Err(error) => Err(Raised::BrokenOff(Arc::new(error))),
        })
    }

    fn take(&mut self, data: Result<Bytes, h2::Error>) -> Result<Frame<Bytes>, Raised> {
        let data = data.map_err(|error| Raised::BrokenOff(Arc::new(error)))?;
        // An error means that the stream has ended, which is seen next.
        let _ = self.stream.flow_control().release_capacity(data.len());
        self.bytes_left = self.bytes_left.checked_sub(data.len()).ok_or(Raised::TooLarge(self.bytes_max))?;
        Ok(Frame::data(data))
    }
}

impl Body for Checked {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let Some(reading) = &mut this.0 else { return Poll::Ready(None) };
        let frame = match reading.poll_stream(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                ready!(reading.deadline.as_mut().poll(cx));
                Err(Raised::DeadlineExceeded)
            }
        };
        let goes_on = frame.as_ref().is_ok_and(Frame::is_data);
        if let Some(Reading { attempt, .. }) = this.0.take_if(|_| !goes_on) {
            match &frame {
                Ok(frame) => {
                    let none = HeaderMap::new();
                    let trailers = frame.trailers_ref().unwrap_or(&none);
                    attempt.answered(status_code(trailers), trailers, false);
                }
                Err(raised) => attempt.failed(raised),
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

/// The code of headers that hold one.
pub(crate) fn status_code(headers: &HeaderMap) -> Code {
    headers.get(GRPC_STATUS).map_or(Code::Unknown, |code| Code::from_bytes(code.as_bytes()))
}

/// Marks the headers that hold a status of the backend's own.
pub(crate) fn mark(headers: &mut HeaderMap) {
    remove_undecodable_details(headers);
    headers.insert(ANSWERED, HeaderValue::from_static("1"));
}

/// Details that are no base64 would make the generated client panic; the status stands without them.
fn remove_undecodable_details(headers: &mut HeaderMap) {
    if !headers.contains_key(DETAILS) {
        return;
    }
    let mut metadata = MetadataMap::from_headers(std::mem::take(headers));
    if metadata.get_bin(DETAILS).is_some_and(|details| details.to_bytes().is_err()) {
        tracing::warn!("a backend sent status details that are no base64");
        metadata.remove_bin(DETAILS);
    }
    *headers = metadata.into_headers();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_survives_details_that_are_no_base64() {
        for (sent, kept) in [("AAEC", true), ("AAECAw", true), ("AAECAw==", true), ("!", false), ("A", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_STATUS, HeaderValue::from_static("5"));
            headers.insert(DETAILS, HeaderValue::from_static(sent));
            mark(&mut headers);
            let status = Status::from_header_map(&headers).unwrap();
            assert_eq!(
                (status.code(), !status.details().is_empty()),
                (tonic::Code::NotFound, kept),
                "{sent}"
            );
            assert!(headers.contains_key(ANSWERED));
        }
    }
}
