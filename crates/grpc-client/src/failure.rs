//! What is known of a call that failed.
//!
//! A status code alone tells little: a backend may answer UNAVAILABLE, and a lost connection reads the same. So the
//! channel marks every status that a backend really sent, and puts what it knows of any other into the source chain.

use std::{error::Error, sync::Arc};

use http::HeaderName;
use tonic::{Code, Status};

use crate::connection::ConnectError;

/// Put into the trailers of every answer with a status of the backend's own; never sent on the wire, and
/// removed from what arrives there.
pub(crate) const ANSWERED: HeaderName = HeaderName::from_static("x-channel-answered");

/// Why a call failed, by what its caller can conclude.
///
/// Of a call that was tried more than once, it is what all of its attempts prove together: it is
/// [`NeverRan`](Self::NeverRan) only where each of them provably never ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The backend answered with this status.
    Answered,
    /// The call provably never reached a handler: the transparent-retry cases of gRFC A6.
    NeverRan,
    /// The deadline passed first; the call may have run.
    DeadlineExceeded,
    /// The answer was larger than [`RESPONSE_BYTES_MAX`](crate::RESPONSE_BYTES_MAX); the call ran.
    TooLarge,
    /// The peer does not speak gRPC, or its answer cannot be decoded; what it did is not known.
    NotGrpc,
    /// The connection was lost in mid-call; the call may have run.
    Lost,
}

/// The errors that the channel itself raises, found in the source chain of a [`Status`].
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Raised {
    #[error("cannot connect to {endpoint}")]
    Unreachable { endpoint: Arc<str>, source: Arc<ConnectError> },
    #[error("no address of {0} is known")]
    NoEndpoint(Arc<str>),
    #[error("{endpoint} did not take the call")]
    Refused { endpoint: Arc<str>, source: Arc<h2::Error> },
    #[error("the connection to {0} had ended before the call was sent")]
    Closed(Arc<str>),
    #[error("the deadline passed before an answer came")]
    DeadlineExceeded,
    #[error("the deadline had passed before the call was sent")]
    NeverSent,
    #[error("the request is larger than {0} bytes")]
    RequestTooLarge(usize),
    #[error("the request broke off")]
    RequestBroken(#[source] Arc<Status>),
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the peer answered with HTTP {0} and no gRPC status")]
    NotGrpc(http::StatusCode),
    #[error("{endpoint} broke the protocol")]
    Protocol { endpoint: Arc<str>, source: Arc<h2::Error> },
    #[error("the connection to {endpoint} was lost")]
    Lost { endpoint: Arc<str>, source: Arc<h2::Error> },
    /// After the head of an answer had come: it was being answered, so that not even a peer that now says "refused"
    /// can be taken at its word.
    #[error("the answer broke off")]
    BrokenOff(#[source] Arc<h2::Error>),
}

impl Raised {
    /// What an HTTP/2 error says of a call whose answer had not begun.
    pub(crate) fn of_h2(endpoint: &Arc<str>, error: h2::Error) -> Self {
        let (endpoint, source) = (endpoint.clone(), Arc::new(error));
        if refused_by_peer(&source) {
            Self::Refused { endpoint, source }
        } else if source.is_library() {
            // What this side finds wrong with what it reads: no gRPC server sends that.
            Self::Protocol { endpoint, source }
        } else {
            Self::Lost { endpoint, source }
        }
    }

    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Unreachable { .. }
            | Self::NoEndpoint(_)
            | Self::Refused { .. }
            | Self::Closed(_)
            | Self::NeverSent
            | Self::RequestTooLarge(_)
            | Self::RequestBroken(_) => Failure::NeverRan,
            Self::DeadlineExceeded => Failure::DeadlineExceeded,
            Self::TooLarge(_) => Failure::TooLarge,
            Self::NotGrpc(_) | Self::Protocol { .. } => Failure::NotGrpc,
            Self::Lost { .. } | Self::BrokenOff(_) => Failure::Lost,
        }
    }

    /// The code that gRPC gives to such a failure (its statuscodes document, and that on HTTP mapping).
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Unreachable { .. }
            | Self::NoEndpoint(_)
            | Self::Refused { .. }
            | Self::Closed(_)
            | Self::Lost { .. }
            | Self::BrokenOff(_) => Code::Unavailable,
            Self::DeadlineExceeded | Self::NeverSent => Code::DeadlineExceeded,
            Self::RequestTooLarge(_) | Self::TooLarge(_) => Code::ResourceExhausted,
            Self::RequestBroken(_) | Self::Protocol { .. } => Code::Internal,
            Self::NotGrpc(http) => match http.as_u16() {
                400 => Code::Internal,
                401 => Code::Unauthenticated,
                403 => Code::PermissionDenied,
                404 => Code::Unimplemented,
                429 | 502..=504 => Code::Unavailable,
                _ => Code::Unknown,
            },
        }
    }
}

/// GOAWAY fails only the streams above its last id, and REFUSED_STREAM says that nothing was done
/// (RFC 9113, sections 6.8 and 8.7).
fn refused_by_peer(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

impl Failure {
    /// What is known of a call through a [`Channel`](crate::Channel) that ended with `status`.
    pub fn of(status: &Status) -> Self {
        if status.metadata().contains_key(ANSWERED.as_str()) {
            return Self::Answered;
        }
        if status.source().is_none() {
            // Raised by the generated client over an answer that came, such as one that does not decode.
            return Self::NotGrpc;
        }
        let mut causes = std::iter::successors(status.source(), |error| (*error).source());
        causes.find_map(|error| error.downcast_ref::<Raised>()).map_or(Self::Lost, Raised::failure)
    }

    /// Whether the call provably never ran.
    pub fn never_ran(self) -> bool {
        self == Self::NeverRan
    }
}

impl From<Raised> for Status {
    /// A status whose source chain tells what was raised.
    fn from(raised: Raised) -> Self {
        let mut status = Status::new(raised.code(), raised.to_string());
        status.set_source(Arc::new(raised));
        status
    }
}
