//! The channel itself: one lazily connected HTTP/2 connection, and a deadline on every call.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Request, Response, header};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::{Code, Status, body::Body, transport::Endpoint};
use tower::Service;

use crate::{
    Address,
    body::{Checked, GRPC_STATUS, mark},
    failure::{ANSWERED, Raised, is_timeout},
};

/// How long connecting may take, name resolution included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The deadline of a call that was given none.
pub const DEADLINE_DEFAULT: Duration = Duration::from_secs(10);
/// Bytes of one answer's headers or trailers, where a status stands with all of its details. The HTTP/2
/// library refuses an answer with more, and where it is a quarter more the connection too.
const RESPONSE_HEADER_BYTES_MAX: u32 = 1024 * 1024;
/// Bytes of one answer's body.
pub const RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How often a connection with calls in flight is asked whether it is alive, and how long it may take.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// HTTP/2 flow-control windows: a page of orders fits a stream's, many of them the connection's.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// When a call must have ended, by this process's clock. Put it into a request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

/// The transport of a generated client. Clones share one connection, made by the first call and made
/// anew by the first call after it was lost.
#[derive(Debug, Clone)]
pub struct Channel {
    inner: tonic::transport::Channel,
    response_bytes_max: usize,
}

impl Channel {
    /// A channel to `address` that connects when it is first used. Must be called within a tokio runtime.
    pub fn connect_lazy(address: &Address) -> Self {
        let inner = Endpoint::from(address.uri().clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .http2_max_header_list_size(RESPONSE_HEADER_BYTES_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .connect_lazy();
        Self { inner, response_bytes_max: RESPONSE_BYTES_MAX }
    }

    /// The same with another bound on the bytes of an answer than [`RESPONSE_BYTES_MAX`].
    ///
    /// Generated clients have a bound of their own, of 4 MiB: raise it with `max_decoding_message_size`, so
    /// that this one decides and [`Failure::of`](crate::Failure::of) can tell it from other failures.
    #[must_use]
    pub fn with_response_bytes_max(mut self, bytes: usize) -> Self {
        self.response_bytes_max = bytes;
        self
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Checked>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // Waiting for readiness is part of a call, so that its deadline covers it.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let deadline = match request.extensions().get::<Deadline>() {
            Some(deadline) => deadline.0,
            None => Instant::now() + DEADLINE_DEFAULT,
        };
        let bytes_max = self.response_bytes_max;
        let mut inner = self.inner.clone();
        Box::pin(async move {
            let mut timer = Box::pin(sleep_until(deadline));
            bounded(&mut timer, Raised::NeverSent, std::future::poll_fn(|cx| inner.poll_ready(cx))).await?;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Raised::NeverSent.into());
            }
            request.headers_mut().insert("grpc-timeout", grpc_timeout(left));
            let mut response = bounded(&mut timer, Raised::DeadlineExceeded, inner.call(request)).await?;
            check_head(&mut response)?;
            let http = response.status();
            Ok(response.map(|body| Checked::new(body, timer, bytes_max, http)))
        })
    }
}

/// What `future` ends with, or, where the timer is first, what `late` says.
async fn bounded<T, E: Into<tonic::codegen::StdError>>(
    timer: &mut Pin<Box<Sleep>>,
    late: Raised,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, Status> {
    tokio::select! {
        biased;
        ended = future => ended.map_err(|error| match Status::from_error(error.into()) {
            status if is_timeout(&status) => late.into(),
            status => status,
        }),
        () = timer => Err(late.into()),
    }
}

/// Refuses a head that no gRPC server sends, and marks a status that stands in it.
fn check_head(response: &mut Response<Body>) -> Result<(), Status> {
    let status = response.status();
    let headers: &mut HeaderMap = response.headers_mut();
    headers.remove(ANSWERED);
    let grpc = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if !grpc || status != http::StatusCode::OK {
        return Err(Raised::NotGrpc(status).into());
    }
    match headers.get(GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes())) {
        // Trailers alone tell that a call succeeded: an OK ahead of them would hide what they say.
        Some(Code::Ok) => drop(headers.remove(GRPC_STATUS)),
        Some(_) => mark(headers),
        None => {}
    }
    Ok(())
}

/// The `grpc-timeout` of the gRPC protocol: at most eight digits and a unit, rounded down so that the
/// callee gives up first.
fn grpc_timeout(left: Duration) -> HeaderValue {
    const DIGITS_MAX: u128 = 99_999_999;
    let text = match left {
        left if left.as_micros() <= DIGITS_MAX => format!("{}u", left.as_micros()),
        left if left.as_millis() <= DIGITS_MAX => format!("{}m", left.as_millis()),
        left => format!("{}S", left.as_secs().min(99_999_999)),
    };
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("0u"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_sent_in_the_finest_unit_that_fits_eight_digits() {
        assert_eq!(grpc_timeout(Duration::from_millis(9_500)), "9500000u");
        assert_eq!(grpc_timeout(Duration::from_secs(3_600)), "3600000m");
        assert_eq!(grpc_timeout(Duration::from_secs(1 << 20)), "1048576S");
    }
}
