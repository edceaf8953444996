//! One attempt of a call: sent to one endpoint, and counted there until it has ended.

use std::{pin::Pin, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Request, Response, header, request::Parts, uri};
use tokio::{
    task::JoinHandle,
    time::{Instant, Sleep},
};
use tonic::Code;

use crate::{
    channel_state::ChannelState,
    connection::{Connection, StreamPermit},
    deadline::DEADLINE_MARGIN,
    endpoint::Endpoint,
    failure::{Failure, TransportError},
    metrics::MethodMeters,
    observer::AttemptObserver,
    orca::LoadReport,
    request_body::{Payload, forward_body},
    server_status::{GRPC_STATUS, InvalidStatus, SERVER_STATUS_MARK, mark, parse_status},
    timeout,
};

const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("grpc-rust-channel/", env!("CARGO_PKG_VERSION")));

/// An attempt that has started. Dropping it before it has ended records it as CANCELLED.
#[derive(Debug)]
pub(crate) struct Attempt {
    channel: Arc<ChannelState>,
    endpoint: Arc<Endpoint>,
    meters: Arc<MethodMeters>,
    started: Instant,
    ended: bool,
    permit: Option<StreamPermit>,
    /// Forwards a streaming request body.
    forwarder: Option<JoinHandle<()>>,
    /// When the server gives up, by the `grpc-timeout` that it received.
    server_deadline: Option<Instant>,
    observer: Option<AttemptObserver>,
}

/// The timers of an attempt: the call's, and the attempt's own if its method has one.
pub(crate) struct Timers<'a> {
    pub(crate) deadline: Instant,
    pub(crate) call: &'a mut Pin<Box<Sleep>>,
    pub(crate) attempt: Option<Instant>,
}

impl Attempt {
    pub(crate) fn start(channel: &Arc<ChannelState>, endpoint: Arc<Endpoint>, path: &str) -> Self {
        let meters = endpoint.meters.method(path);
        meters.started.inc();
        endpoint.start_attempt();
        Self {
            channel: channel.clone(),
            endpoint,
            meters,
            started: Instant::now(),
            ended: false,
            permit: None,
            forwarder: None,
            server_deadline: None,
            observer: None,
        }
    }

    /// Reports the end of the attempt to `observer`.
    pub(crate) fn observe(&mut self, observer: AttemptObserver) {
        self.observer = Some(observer);
    }

    pub(crate) fn meters(&self) -> &MethodMeters {
        &self.meters
    }

    /// Sends the request and waits for the response headers. A status in the headers is marked as the
    /// server's.
    pub(crate) async fn send(
        &mut self,
        head: Parts,
        payload: Payload,
        timers: &mut Timers<'_>,
    ) -> Result<Response<h2::RecvStream>, TransportError> {
        let late = TransportError::DeadlineBeforeSend;
        let connection = timers.run(late.clone(), self.endpoint.connection()).await??;
        self.permit = timers.run(late.clone(), connection.acquire_stream()).await?;
        if self.permit.is_none() {
            return Err(self.closed_before_send(None));
        }
        let server_timeout = timers.server_timeout().ok_or(late)?;
        self.server_deadline = Some(Instant::now() + server_timeout);
        let request = self.request(head, server_timeout)?;
        let sent = connection.send.clone().send_request(request, false);
        let (response, mut stream) = sent.map_err(|source| {
            // A request that the HTTP/2 library did not accept was never sent; this holds for every error.
            self.endpoint.retire(&connection);
            self.closed_before_send(Some(source))
        })?;
        match payload {
            // An error means that the stream has ended; the response shows why.
            Payload::Complete(bytes) => drop(stream.send_data(bytes, true)),
            Payload::Stream(first, body) => {
                self.forwarder = Some(tokio::spawn(forward_body(first, body, stream)));
            }
        }
        let mut response = match timers.run(TransportError::DeadlineExceeded, response).await? {
            Ok(response) => response,
            Err(error) => return Err(self.stream_error(&connection, error)),
        };
        validate_head(&mut response)?;
        Ok(response)
    }

    fn closed_before_send(&self, source: Option<h2::Error>) -> TransportError {
        TransportError::ClosedBeforeSend {
            endpoint: self.endpoint.name.clone(),
            source: source.map(Arc::new),
        }
    }

    /// Classifies `error`, and retires a connection that failed as a whole.
    fn stream_error(&self, connection: &Connection, error: h2::Error) -> TransportError {
        if !error.is_reset() {
            self.endpoint.retire(connection);
        }
        TransportError::from_h2(&self.endpoint.name, error)
    }

    fn request(&self, head: Parts, server_timeout: Duration) -> Result<Request<()>, TransportError> {
        let mut request = Request::from_parts(head, ());
        *request.version_mut() = http::Version::HTTP_2;
        let mut origin = uri::Parts::default();
        origin.scheme = Some(self.endpoint.dialer.scheme());
        origin.authority = Some(self.endpoint.dialer.authority.clone());
        origin.path_and_query = std::mem::take(request.uri_mut()).into_parts().path_and_query;
        // The path of a generated client is always valid.
        *request.uri_mut() = uri::Uri::from_parts(origin)
            .map_err(|_| TransportError::NoGrpcStatus(http::StatusCode::BAD_REQUEST))?;
        let headers = request.headers_mut();
        headers.insert(timeout::GRPC_TIMEOUT, timeout::format(server_timeout));
        headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
        Ok(request)
    }

    /// Whether `code` reports that the server's time is over: tonic's servers return CANCELLED then. A server
    /// that returns CANCELLED earlier means something else.
    pub(crate) fn is_server_timeout(&self, code: Code) -> bool {
        code == Code::Cancelled && self.server_deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Records the status that the server sent. A load report in its trailers is kept (gRFC A51).
    pub(crate) fn finish_with_status(mut self, code: Code, trailers: &HeaderMap, is_not_started: bool) {
        if self.channel.uses_load_reports
            && let Some(report) = LoadReport::from_trailers(trailers)
        {
            self.endpoint.load.record(&report);
        }
        match code {
            // A server that rejects work is alive, and no worse than others that are as full.
            Code::Unavailable if !is_not_started => self.endpoint.record_failure(),
            _ => self.endpoint.record_response(self.permit.as_ref()),
        }
        if code == Code::Ok {
            self.channel.throttle.record_success();
        }
        self.finish(code);
    }

    /// Records that the attempt ended without a status from the server.
    pub(crate) fn finish_with_error(mut self, error: &TransportError) {
        // The task that dials has recorded a failure to connect, and a deadline may be too short for any
        // endpoint.
        if matches!(error, TransportError::StreamRefused { .. })
            || matches!(error.failure(), Failure::ConnectionLost | Failure::InvalidResponse)
        {
            self.endpoint.record_failure();
        }
        if matches!(
            error,
            TransportError::Unreachable { .. }
                | TransportError::ConnectionLost { .. }
                | TransportError::StreamRefused { .. }
                | TransportError::ClosedBeforeSend { .. }
        ) {
            self.channel.endpoints.resolve_soon();
        }
        self.finish(error.code());
    }

    fn finish(&mut self, code: Code) {
        self.ended = true;
        self.meters.record(code, self.started.elapsed());
        if let Some(observer) = self.observer.take() {
            observer.finish(code);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.ended {
            self.finish(Code::Cancelled);
        }
        if let Some(forwarder) = &self.forwarder {
            forwarder.abort();
        }
        self.endpoint.end_attempt();
    }
}

impl Timers<'_> {
    /// The `grpc-timeout` for the server: less than the remaining time, so that the server gives up first.
    /// The attempt's own timeout is not sent: the server's status at its end would count as a response, and
    /// not be retried.
    fn server_timeout(&self) -> Option<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| left.saturating_sub(DEADLINE_MARGIN).max(left / 2))
    }

    /// Runs `future`; returns `late` if a timer fires first.
    async fn run<T>(
        &mut self,
        late: TransportError,
        future: impl Future<Output = T>,
    ) -> Result<T, TransportError> {
        let attempt = async {
            match self.attempt {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = &mut *self.call => Err(late),
            () = attempt => Err(late),
        }
    }
}

/// Rejects response headers that no gRPC server sends, and marks a status in them.
fn validate_head(response: &mut Response<h2::RecvStream>) -> Result<(), TransportError> {
    let (status, ends) = (response.status(), response.body().is_end_stream());
    let headers: &mut HeaderMap = response.headers_mut();
    headers.remove(SERVER_STATUS_MARK);
    let is_grpc = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|content_type| content_type.as_bytes().starts_with(b"application/grpc"));
    if !is_grpc || status != http::StatusCode::OK {
        return Err(TransportError::NoGrpcStatus(status));
    }
    match parse_status(headers) {
        // The generated client reports a unary response without a message as an error of its own.
        Some(Ok(Code::Ok)) if ends => {}
        // Trailers follow: an OK in the headers would hide the status in the trailers.
        Some(Ok(Code::Ok)) => drop(headers.remove(GRPC_STATUS)),
        Some(Ok(code)) => mark(headers, code),
        Some(Err(InvalidStatus)) => return Err(TransportError::NoGrpcStatus(status)),
        // The trailers have it, or the response body ends with an error.
        None => {}
    }
    Ok(())
}
