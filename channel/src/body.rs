//! The body of an answer on its way in: bounded in size and time, and with the status that the backend
//! sent marked as such.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;
use tonic::{Status, metadata::MetadataMap};

use crate::failure::{ANSWERED, Raised, broken_off};

/// The number of a gRPC code.
pub(crate) const GRPC_STATUS: &str = "grpc-status";
/// A serialized `google.rpc.Status`, in base64.
const DETAILS: &str = "grpc-status-details-bin";

pin_project_lite::pin_project! {
    /// What a generated client reads an answer from.
    #[derive(Debug)]
    pub struct Checked {
        #[pin]
        inner: tonic::body::Body,
        deadline: Pin<Box<Sleep>>,
        bytes_left: usize,
        bytes_max: usize,
        http: StatusCode,
        complete: bool,
    }
}

impl Checked {
    pub(crate) fn new(
        inner: tonic::body::Body,
        deadline: Pin<Box<Sleep>>,
        bytes_max: usize,
        http: StatusCode,
    ) -> Self {
        // An answer whose head holds its status has neither message nor trailers.
        let complete = http_body::Body::is_end_stream(&inner);
        Self { inner, deadline, bytes_left: bytes_max, bytes_max, http, complete }
    }
}

impl Body for Checked {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        if *this.complete {
            return Poll::Ready(None);
        }
        let Poll::Ready(frame) = this.inner.poll_frame(cx) else {
            ready!(this.deadline.as_mut().poll(cx));
            *this.complete = true;
            return Poll::Ready(Some(Err(Raised::DeadlineExceeded.into())));
        };
        let checked = match frame {
            None => Err(Raised::NotGrpc(*this.http).into()),
            Some(Err(error)) => Err(broken_off(error)),
            Some(Ok(frame)) => check(frame, this.bytes_left, *this.bytes_max, *this.http),
        };
        *this.complete = checked.as_ref().map_or(true, Frame::is_trailers);
        Poll::Ready(Some(checked))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn check(
    frame: Frame<Bytes>,
    bytes_left: &mut usize,
    bytes_max: usize,
    http: StatusCode,
) -> Result<Frame<Bytes>, Status> {
    match frame.into_data() {
        Ok(data) => {
            *bytes_left = bytes_left.checked_sub(data.remaining()).ok_or(Raised::TooLarge(bytes_max))?;
            Ok(Frame::data(data))
        }
        Err(other) => match other.into_trailers() {
            Ok(mut trailers) if trailers.contains_key(GRPC_STATUS) => {
                mark(&mut trailers);
                Ok(Frame::trailers(trailers))
            }
            _ => Err(Raised::NotGrpc(http).into()),
        },
    }
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
