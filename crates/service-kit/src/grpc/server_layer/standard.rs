//! The limits of gRPC's own services, health and reflection. They respond while the server rejects all other
//! calls, and are neither load nor in the metrics of calls.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep_until},
};
use tonic::{Status, body::Body};

use super::{
    deadline::{self, Deadline},
    messages::Cardinality,
};

/// The prefix of the paths of gRPC's own services.
const STANDARD_SERVICES: &str = "/grpc.";
/// Limit of `Watch` calls of health and of reflection streams of one server. A further one is
/// RESOURCE_EXHAUSTED. One for each connection: a client with health checks watches once per connection.
pub const WATCHES_MAX: usize = crate::grpc::CONNECTIONS_MAX;
/// Limit of all other calls of these services in flight.
const CHECKS_IN_FLIGHT_MAX: usize = 1024;

/// The kind of a method of gRPC's own services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StandardCall {
    /// A unary call, `Check` for instance.
    Unary,
    /// `Watch`: one request, and responses until the client ends the call.
    Watch,
    /// Reflection: requests and responses.
    Stream,
}

impl StandardCall {
    /// `None` for a method of another service.
    pub(super) fn of(path: &str) -> Option<Self> {
        path.starts_with(STANDARD_SERVICES).then(|| match path.rsplit('/').next() {
            Some("Watch") => Self::Watch,
            Some("ServerReflectionInfo") => Self::Stream,
            _ => Self::Unary,
        })
    }

    pub(super) fn cardinality(self) -> Cardinality {
        if self == Self::Stream { Cardinality::Any } else { Cardinality::One }
    }
}

/// The permits of gRPC's own services.
pub(super) struct StandardCalls {
    streams: Arc<Semaphore>,
    checks: Arc<Semaphore>,
}

impl StandardCalls {
    pub(super) fn new() -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { streams: semaphore(WATCHES_MAX), checks: semaphore(CHECKS_IN_FLIGHT_MAX) }
    }

    /// A permit for `call`.
    ///
    /// # Errors
    ///
    /// RESOURCE_EXHAUSTED at the limit.
    pub(super) fn admit(&self, call: StandardCall) -> Result<OwnedSemaphorePermit, Status> {
        let permits = if call == StandardCall::Unary { &self.checks } else { &self.streams };
        permits
            .clone()
            .try_acquire_owned()
            .map_err(|_| Status::resource_exhausted("too many calls of this service are in flight"))
    }
}

/// The body of a response, which holds the permit of its call and ends at its deadline.
pub(super) struct HoldingBody {
    body: Body,
    deadline: Option<Pin<Box<Sleep>>>,
    has_ended: bool,
    _permit: OwnedSemaphorePermit,
}

impl HoldingBody {
    /// `response`, whose body holds `permit`.
    pub(super) fn hold(
        response: Response<Body>,
        permit: OwnedSemaphorePermit,
        deadline: Option<Deadline>,
    ) -> Response<Body> {
        let deadline = deadline.map(|Deadline(at)| Box::pin(sleep_until(at)));
        response.map(|body| Body::new(Self { body, deadline, has_ended: false, _permit: permit }))
    }
}

impl http_body::Body for HoldingBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let Some(deadline) = self.deadline.as_mut().filter(|_| polled.is_pending()) else { return polled };
        if deadline.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.has_ended = true;
        let mut trailers = http::HeaderMap::new();
        Poll::Ready(Some(deadline::passed().add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
