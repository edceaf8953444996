//! What is known of a call that failed.
//!
//! A status code alone tells little: tonic gives the same codes to a backend's own answers and to failures
//! on this side of the wire, and says UNKNOWN where a server was killed while the handler ran. So the channel
//! marks every status that a backend really sent, and the rest is told from the error's source chain.

use std::error::Error;

use http::HeaderName;
use tonic::{Code, ConnectError, Status, TimeoutExpired};

/// Put into the trailers of every answer with a status of the backend's own; never sent on the wire, and
/// removed from what arrives there.
pub(crate) const ANSWERED: HeaderName = HeaderName::from_static("x-channel-answered");

/// Why a call failed, by what its caller can conclude.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Raised {
    #[error("the deadline passed before an answer came")]
    DeadlineExceeded,
    #[error("the deadline had passed before the call was sent")]
    NeverSent,
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the peer answered with HTTP {0} and no gRPC status")]
    NotGrpc(http::StatusCode),
}

/// What went wrong after the head of an answer had come: the call was being answered, so that not even a
/// peer that now says "refused" can be taken at its word.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
struct BrokenOff(#[source] Status);

/// The status of an answer that `error` broke off.
pub(crate) fn broken_off(error: Status) -> Status {
    let mut status = Status::new(error.code(), "the answer broke off");
    status.set_source(std::sync::Arc::new(BrokenOff(error)));
    status
}

/// Whether `status` comes of tonic's own timer: its channel honours the `grpc-timeout` that it sends, and
/// may see it pass before we do.
pub(crate) fn is_timeout(status: &Status) -> bool {
    causes(status).any(|error| error.is::<TimeoutExpired>())
}

fn causes(status: &Status) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(status.source(), |error| (*error).source())
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
        causes(status).find_map(of_error).unwrap_or(Self::Lost)
    }

    /// Whether the call provably never ran.
    pub fn never_ran(self) -> bool {
        self == Self::NeverRan
    }
}

fn of_error(error: &(dyn Error + 'static)) -> Option<Failure> {
    if let Some(raised) = error.downcast_ref::<Raised>() {
        return Some(match raised {
            Raised::DeadlineExceeded => Failure::DeadlineExceeded,
            Raised::NeverSent => Failure::NeverRan,
            Raised::TooLarge(_) => Failure::TooLarge,
            Raised::NotGrpc(_) => Failure::NotGrpc,
        });
    }
    if error.is::<BrokenOff>() {
        return Some(Failure::Lost);
    }
    let h2 = error.downcast_ref::<h2::Error>();
    let unsent = error.is::<ConnectError>()
        || error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled)
        || h2.is_some_and(refused_by_peer);
    match h2 {
        _ if unsent => Some(Failure::NeverRan),
        // What this side finds wrong with what it reads: no gRPC server sends that.
        Some(h2) if h2.is_library() => Some(Failure::NotGrpc),
        _ => None,
    }
}

/// GOAWAY fails only the streams above its last id, and REFUSED_STREAM says that nothing was done
/// (RFC 9113, sections 6.8 and 8.7).
fn refused_by_peer(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

impl From<Raised> for Status {
    /// A status whose source chain tells what was raised.
    fn from(raised: Raised) -> Self {
        let code = match raised {
            Raised::DeadlineExceeded | Raised::NeverSent => Code::DeadlineExceeded,
            Raised::TooLarge(_) | Raised::NotGrpc(_) => Code::Internal,
        };
        let mut status = Status::new(code, raised.to_string());
        status.set_source(std::sync::Arc::new(raised));
        status
    }
}
