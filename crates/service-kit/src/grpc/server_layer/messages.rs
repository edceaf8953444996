//! The messages of a request, counted and measured while they arrive. tonic ignores the messages of a unary
//! call after the first, but reads to the end before it runs the handler: an error here is the response.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::Frame;
use tokio::time::{Sleep, sleep};
use tonic::{Status, body::Body};

use crate::grpc::REQUEST_BYTES_MAX;

/// How long the request of a unary call may take to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(30);
/// Bytes before each message: whether it is compressed, and its length (gRPC over HTTP/2,
/// "Length-Prefixed-Message").
const PREFIX_BYTES: usize = 5;

/// How many messages a request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cardinality {
    /// A unary request.
    One,
    /// A stream.
    Any,
}

/// The body of a request. It fails with UNIMPLEMENTED where its number of messages is wrong (gRPC,
/// statuscodes.md), and with RESOURCE_EXHAUSTED where one exceeds [`REQUEST_BYTES_MAX`].
pub(super) struct Messages {
    body: Body,
    cardinality: Cardinality,
    /// The begun prefix of the next message.
    prefix: Vec<u8>,
    /// Bytes of the current message that have not arrived.
    missing: usize,
    begun: usize,
    has_ended: bool,
    /// Set once the request did not arrive at once; unary requests alone have it.
    arrival: Option<Pin<Box<Sleep>>>,
}

impl Messages {
    pub(super) fn new(body: Body, cardinality: Cardinality) -> Self {
        Self { body, cardinality, prefix: Vec::new(), missing: 0, begun: 0, has_ended: false, arrival: None }
    }

    fn receive(&mut self, mut data: &[u8]) -> Result<(), Status> {
        while !data.is_empty() {
            let (part, rest) = if self.missing > 0 {
                data.split_at(self.missing.min(data.len()))
            } else {
                data.split_at((PREFIX_BYTES - self.prefix.len()).min(data.len()))
            };
            data = rest;
            if self.missing > 0 {
                self.missing -= part.len();
            } else {
                self.prefix.extend(part);
                self.begin_message()?;
            }
        }
        Ok(())
    }

    /// Begins a message once its prefix is complete.
    fn begin_message(&mut self) -> Result<(), Status> {
        if self.begun == 1 && self.cardinality == Cardinality::One {
            return Err(Status::unimplemented("the request has more than one message"));
        }
        let [_, length @ ..] = self.prefix.as_slice() else { return Ok(()) };
        let Ok(length) = <[u8; PREFIX_BYTES - 1]>::try_from(length) else { return Ok(()) };
        self.prefix.clear();
        self.begun += 1;
        self.missing = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if self.missing > REQUEST_BYTES_MAX {
            let text = format!("the message has {} bytes; the limit is {REQUEST_BYTES_MAX}", self.missing);
            return Err(Status::resource_exhausted(text));
        }
        Ok(())
    }

    /// Fails once a unary request is late.
    fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        if self.cardinality == Cardinality::Any {
            return Poll::Pending;
        }
        let arrival = self.arrival.get_or_insert_with(|| Box::pin(sleep(ARRIVAL_MAX)));
        arrival
            .as_mut()
            .poll(cx)
            .map(|()| Status::deadline_exceeded(format!("the request did not arrive within {ARRIVAL_MAX:?}")))
    }
}

impl http_body::Body for Messages {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let result = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => match self.poll_arrival(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(late) => Err(late),
            },
            Poll::Ready(None)
                if self.begun == 0 && self.prefix.is_empty() && self.cardinality == Cardinality::One =>
            {
                Err(Status::unimplemented("the request has no message"))
            }
            Poll::Ready(None) => {
                self.has_ended = true;
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Ok(frame))) => {
                let received = frame.data_ref().map_or(Ok(()), |data| self.receive(data));
                received.map(|()| frame)
            }
            Poll::Ready(Some(Err(error))) => Err(error),
        };
        self.has_ended = result.is_err();
        Poll::Ready(Some(result))
    }

    /// Not of the body: tonic would not poll an empty one.
    fn is_end_stream(&self) -> bool {
        self.has_ended
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, StreamBody};
    use tonic::Code;

    use super::*;

    /// The bytes that pass, or the code of the error; `bytes` arrive in parts of `part` bytes.
    async fn passed(bytes: &[u8], part: usize, cardinality: Cardinality) -> Result<usize, Code> {
        let parts: Vec<_> = bytes.chunks(part).map(Bytes::copy_from_slice).collect();
        let frames = parts.into_iter().map(|part| Ok::<_, Status>(Frame::data(part)));
        let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
        let collected = Messages::new(body, cardinality).collect().await;
        collected.map(|body| body.to_bytes().len()).map_err(|status| status.code())
    }

    #[tokio::test]
    async fn messages_are_counted_however_they_are_split() {
        const EMPTY: &[u8] = &[0; 5];
        const TWO_BYTES: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
        use Cardinality::{Any, One};
        let two = [TWO_BYTES, EMPTY].concat();
        for part in 1..=two.len() {
            assert_eq!(passed(EMPTY, part, One).await, Ok(5));
            assert_eq!(passed(TWO_BYTES, part, One).await, Ok(7));
            assert_eq!(passed(&two, part, One).await, Err(Code::Unimplemented));
            assert_eq!(passed(&[TWO_BYTES, &[0]].concat(), part, One).await, Err(Code::Unimplemented));
            assert_eq!(passed(&two, part, Any).await, Ok(12));
            // tonic rejects what ends within a message.
            assert_eq!(passed(&TWO_BYTES[..6], part, One).await, Ok(6));
            assert_eq!(passed(&EMPTY[..4], part, One).await, Ok(4));
            assert_eq!(passed(&[0, 0, 16, 0, 1], part, Any).await, Err(Code::ResourceExhausted));
            assert_eq!(passed(&[0, 0, 16, 0, 0], part, Any).await, Ok(5));
        }
        assert_eq!(passed(&[], 1, One).await, Err(Code::Unimplemented));
        assert_eq!(passed(&[], 1, Any).await, Ok(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_unary_request_has_a_limit_of_time_and_a_stream_has_none() {
        let never =
            || Body::new(StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Status>>()));
        let late = Messages::new(never(), Cardinality::One).collect().await.map(|_| ()).unwrap_err();
        assert_eq!(late.code(), Code::DeadlineExceeded);
        let stream = Messages::new(never(), Cardinality::Any).collect();
        assert!(tokio::time::timeout(2 * ARRIVAL_MAX, stream).await.is_err());
    }
}
