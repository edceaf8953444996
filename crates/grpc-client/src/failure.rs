//! Classification of failed calls.
//!
//! A status code alone does not show what happened: a server may return UNAVAILABLE, and a lost connection
//! has the same code. The channel therefore marks every status that a server really sent (`server_status`),
//! and puts a [`TransportError`] into the source chain of every status that it creates itself.

use std::{error::Error, sync::Arc};

use tonic::{Code, Status};

use crate::{connection::ConnectError, server_status::SERVER_STATUS_MARK};

/// Why a call failed, by what the client can conclude about its execution.
///
/// For a call of several attempts it is the conclusion from all of them: the call is
/// [`NeverRan`](Self::NeverRan) only if every attempt provably never ran. The cases are those of gRFC A6
/// (transparent retries).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The server returned this status.
    ServerStatus,
    /// The call provably never reached a handler (the transparent-retry cases of gRFC A6).
    NeverRan,
    /// The deadline passed first. The call may have run.
    DeadlineExceeded,
    /// The response was larger than [`RESPONSE_BYTES_MAX`](crate::RESPONSE_BYTES_MAX). The call ran.
    ResponseTooLarge,
    /// The peer does not speak gRPC, or its response cannot be decoded. The call may have run.
    InvalidResponse,
    /// The connection was lost during the call. The call may have run.
    ConnectionLost,
}

/// An error of the channel itself, found in the source chain of a [`Status`].
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("cannot connect to {endpoint}")]
    Unreachable { endpoint: Arc<str>, source: Arc<ConnectError> },
    #[error("{0} has no known address")]
    NoAddress(Arc<str>),
    /// GOAWAY with a lower stream id, or RST_STREAM with REFUSED_STREAM: the request reached the peer.
    #[error("{endpoint} refused the HTTP/2 stream")]
    StreamRefused { endpoint: Arc<str>, source: Arc<h2::Error> },
    /// The request never left this process. `source` is the error of an HTTP/2 library that did not accept
    /// it.
    #[error("the connection to {endpoint} closed before the request was sent")]
    ClosedBeforeSend { endpoint: Arc<str>, source: Option<Arc<h2::Error>> },
    #[error("the deadline passed before the response arrived")]
    DeadlineExceeded,
    #[error("the deadline passed before the request was sent")]
    DeadlineBeforeSend,
    #[error("the request is larger than {0} bytes")]
    RequestTooLarge(usize),
    #[error("the request body failed")]
    RequestBody(#[source] Arc<Status>),
    #[error("the response is larger than {0} bytes")]
    ResponseTooLarge(usize),
    #[error("the peer responded with HTTP {0} and no valid gRPC status")]
    NoGrpcStatus(http::StatusCode),
    #[error("{endpoint} violated the HTTP/2 protocol")]
    Protocol { endpoint: Arc<str>, source: Arc<h2::Error> },
    #[error("the connection to {endpoint} was lost")]
    ConnectionLost { endpoint: Arc<str>, source: Arc<h2::Error> },
    /// Raised after the response headers. The call ran by then, so that even REFUSED_STREAM proves nothing.
    #[error("the response was cut off")]
    ResponseAborted(#[source] Arc<h2::Error>),
}

impl TransportError {
    /// Classifies an HTTP/2 error of a call that has no response headers yet.
    pub(crate) fn from_h2(endpoint: &Arc<str>, error: h2::Error) -> Self {
        let (endpoint, source) = (endpoint.clone(), Arc::new(error));
        if is_refused_by_peer(&source) {
            Self::StreamRefused { endpoint, source }
        } else if source.is_library() {
            // The local HTTP/2 library rejected what it read: no gRPC server sends that.
            Self::Protocol { endpoint, source }
        } else {
            Self::ConnectionLost { endpoint, source }
        }
    }

    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Unreachable { .. }
            | Self::NoAddress(_)
            | Self::StreamRefused { .. }
            | Self::ClosedBeforeSend { .. }
            | Self::DeadlineBeforeSend
            | Self::RequestTooLarge(_)
            | Self::RequestBody(_) => Failure::NeverRan,
            Self::DeadlineExceeded => Failure::DeadlineExceeded,
            Self::ResponseTooLarge(_) => Failure::ResponseTooLarge,
            Self::NoGrpcStatus(_) | Self::Protocol { .. } => Failure::InvalidResponse,
            Self::ConnectionLost { .. } | Self::ResponseAborted(_) => Failure::ConnectionLost,
        }
    }

    /// The gRPC code, by gRPC's `statuscodes.md` and `http-grpc-status-mapping.md`.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Unreachable { .. }
            | Self::NoAddress(_)
            | Self::StreamRefused { .. }
            | Self::ClosedBeforeSend { .. }
            | Self::ConnectionLost { .. }
            | Self::ResponseAborted(_) => Code::Unavailable,
            Self::DeadlineExceeded | Self::DeadlineBeforeSend => Code::DeadlineExceeded,
            Self::RequestTooLarge(_) | Self::ResponseTooLarge(_) => Code::ResourceExhausted,
            Self::RequestBody(_) | Self::Protocol { .. } => Code::Internal,
            Self::NoGrpcStatus(http) => match http.as_u16() {
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

/// GOAWAY fails only the streams above its last id, and REFUSED_STREAM promises that nothing was processed
/// (RFC 9113 §6.8 and §8.7).
fn is_refused_by_peer(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

impl Failure {
    /// Classifies the `status` that a call through a [`Channel`](crate::Channel) ended with.
    pub fn of(status: &Status) -> Self {
        if status.metadata().contains_key(SERVER_STATUS_MARK.as_str()) {
            return Self::ServerStatus;
        }
        if status.source().is_none() {
            // Created by the generated client for a response that arrived, for instance one that does not
            // decode.
            return Self::InvalidResponse;
        }
        let mut causes = std::iter::successors(status.source(), |error| (*error).source());
        causes
            .find_map(|error| error.downcast_ref::<TransportError>())
            .map_or(Self::ConnectionLost, TransportError::failure)
    }

    /// Whether the call provably never ran.
    pub fn never_ran(self) -> bool {
        self == Self::NeverRan
    }
}

impl From<TransportError> for Status {
    /// A status with `error` in its source chain.
    fn from(error: TransportError) -> Self {
        let mut status = Status::new(error.code(), error.to_string());
        status.set_source(Arc::new(error));
        status
    }
}
