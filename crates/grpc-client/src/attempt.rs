//! One attempt of a call: sent to one endpoint, and counted there until it has ended.

use std::{pin::Pin, sync::Arc};

use http::{HeaderMap, HeaderValue, Request, Response, header, request::Parts, uri};
use tokio::{
    task::JoinHandle,
    time::{Instant, Sleep},
};
use tonic::Code;

use crate::{
    body::{Checked, GRPC_STATUS, mark},
    connection::{Connection, Waiting},
    endpoint::Endpoint,
    failure::{ANSWERED, Failure, Raised},
    metrics::MethodMeters,
    observe::Watched,
    orca::LoadReport,
    request::{Payload, pump},
    shared::Shared,
    timeout,
};

const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("grpc-rust-channel/", env!("CARGO_PKG_VERSION")));

/// An attempt that has begun. Dropped before it has ended, it was cancelled by its caller.
#[derive(Debug)]
pub(crate) struct Attempt {
    shared: Arc<Shared>,
    endpoint: Arc<Endpoint>,
    meters: Arc<MethodMeters>,
    started: Instant,
    ended: bool,
    waiting: Option<Waiting>,
    pump: Option<JoinHandle<()>>,
    /// When the callee gives up, by what it was told.
    given_until: Option<Instant>,
    watched: Option<Watched>,
}

/// The timers of an attempt: that of the call, and the attempt's own where it has one.
pub(crate) struct Timers<'a> {
    pub(crate) deadline: Instant,
    pub(crate) call: &'a mut Pin<Box<Sleep>>,
    pub(crate) attempt: Option<Instant>,
}

impl Attempt {
    pub(crate) fn begin(shared: &Arc<Shared>, endpoint: Arc<Endpoint>, path: &str) -> Self {
        let meters = endpoint.meters.method(path);
        meters.started.inc();
        endpoint.begin_attempt();
        let (shared, started) = (shared.clone(), Instant::now());
        Self {
            shared,
            endpoint,
            meters,
            started,
            ended: false,
            waiting: None,
            pump: None,
            given_until: None,
            watched: None,
        }
    }

    /// Tells of its end, too.
    pub(crate) fn watch(&mut self, watched: Watched) {
        self.watched = Some(watched);
    }

    pub(crate) fn meters(&self) -> &MethodMeters {
        &self.meters
    }

    /// Sends the attempt and waits for the head of its answer, whose status is marked where it holds one.
    pub(crate) async fn send(
        &mut self,
        head: Parts,
        payload: Payload,
        timers: &mut Timers<'_>,
    ) -> Result<Response<h2::RecvStream>, Raised> {
        let connection = timers.bound(Raised::NeverSent, self.endpoint.connection()).await??;
        self.waiting = timers.bound(Raised::NeverSent, connection.take_up()).await?;
        if self.waiting.is_none() {
            return Err(Raised::Closed(self.endpoint.name.clone()));
        }
        let left = timers.left().ok_or(Raised::NeverSent)?;
        self.given_until = Some(Instant::now() + left);
        let request = self.request(head, left)?;
        let sent = connection.send.clone().send_request(request, false);
        let (answer, mut stream) = sent.map_err(|source| {
            // Whatever the reason: what the library did not take was never sent.
            self.endpoint.retire(&connection);
            Raised::Refused { endpoint: self.endpoint.name.clone(), source: Arc::new(source) }
        })?;
        match payload {
            // An error means that the stream has ended, and the answer tells why.
            Payload::Whole(bytes) => drop(stream.send_data(bytes, true)),
            Payload::Stream(first, body) => self.pump = Some(tokio::spawn(pump(first, body, stream))),
        }
        let mut answer = match timers.bound(Raised::DeadlineExceeded, answer).await? {
            Ok(answer) => answer,
            Err(error) => return Err(self.broken(&connection, error)),
        };
        check_head(&mut answer)?;
        Ok(answer)
    }

    /// Why there is no answer; a connection that failed as a whole is used no more.
    fn broken(&self, connection: &Connection, error: h2::Error) -> Raised {
        if !error.is_reset() {
            self.endpoint.retire(connection);
        }
        Raised::of_h2(&self.endpoint.name, error)
    }

    fn request(&self, head: Parts, left: std::time::Duration) -> Result<Request<()>, Raised> {
        let mut request = Request::from_parts(head, ());
        *request.version_mut() = http::Version::HTTP_2;
        let mut origin = uri::Parts::default();
        origin.scheme = Some(self.endpoint.dial.scheme());
        origin.authority = Some(self.endpoint.dial.authority.clone());
        origin.path_and_query = std::mem::take(request.uri_mut()).into_parts().path_and_query;
        // A path of a generated client is always one.
        *request.uri_mut() =
            uri::Uri::from_parts(origin).map_err(|_| Raised::NotGrpc(http::StatusCode::BAD_REQUEST))?;
        let headers = request.headers_mut();
        headers.insert(timeout::GRPC_TIMEOUT, timeout::format(left));
        headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
        Ok(request)
    }

    /// Whether `code` says that the callee's time is over: tonic's servers call that CANCELLED. One that says so before it
    /// is over means something else.
    pub(crate) fn is_out_of_time(&self, code: Code) -> bool {
        code == Code::Cancelled && self.given_until.is_some_and(|until| until <= Instant::now())
    }

    /// The backend's own status has come.
    pub(crate) fn answered(mut self, code: Code, trailers: &HeaderMap, is_refusal: bool) {
        if self.shared.wants_reports
            && let Some(report) = LoadReport::from_trailers(trailers)
        {
            self.endpoint.load.keep(&report);
        }
        match code {
            // Whoever refuses work is there, and no worse than others that are as full.
            Code::Unavailable if !is_refusal => self.endpoint.failed(),
            _ => self.endpoint.answered(self.waiting.as_ref()),
        }
        if code == Code::Ok {
            self.shared.throttle.succeeded();
        }
        self.end(code);
    }

    /// There will be no status of the backend's.
    pub(crate) fn failed(mut self, raised: &Raised) {
        match raised.failure() {
            Failure::Lost | Failure::NotGrpc => self.endpoint.failed(),
            // That a connection cannot be made was noted by whoever tried to, and a deadline may be its caller's fault.
            _ => {}
        }
        if matches!(
            raised,
            Raised::Unreachable { .. } | Raised::Lost { .. } | Raised::Refused { .. } | Raised::Closed(_)
        ) {
            self.shared.endpoints.ask_soon();
        }
        self.end(raised.code());
    }

    fn end(&mut self, code: Code) {
        self.ended = true;
        self.meters.ended(code, self.started.elapsed());
        if let Some(watched) = self.watched.take() {
            watched.end(code);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Code::Cancelled);
        }
        if let Some(pump) = &self.pump {
            pump.abort();
        }
        self.endpoint.end_attempt();
    }
}

impl Timers<'_> {
    /// What is left for the callee: less than the caller has, so that the callee gives up first. The attempt's own time is
    /// not told: an answer that it is over would be one, and not tried again.
    fn left(&self) -> Option<std::time::Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| left.saturating_sub(crate::DEADLINE_MARGIN).max(left / 2))
    }

    /// What `future` ends with, or, where a timer is first, what `late` says.
    async fn bound<T>(&mut self, late: Raised, future: impl Future<Output = T>) -> Result<T, Raised> {
        let attempt = async {
            match self.attempt {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            ended = future => Ok(ended),
            () = &mut *self.call => Err(late),
            () = attempt => Err(late),
        }
    }
}

/// Refuses a head that no gRPC server sends, and marks a status that stands in it.
fn check_head(response: &mut Response<h2::RecvStream>) -> Result<(), Raised> {
    let status = response.status();
    let headers: &mut HeaderMap = response.headers_mut();
    headers.remove(ANSWERED);
    let grpc = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if !grpc || status != http::StatusCode::OK {
        return Err(Raised::NotGrpc(status));
    }
    match headers.get(GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes())) {
        // Trailers alone tell that a call succeeded: an OK ahead of them would hide what they say.
        Some(Code::Ok) => drop(headers.remove(GRPC_STATUS)),
        Some(_) => mark(headers),
        None => {}
    }
    Ok(())
}

/// The answer as a generated client reads it, which ends `attempt` when it is complete.
pub(crate) fn body_of(
    answer: Response<h2::RecvStream>,
    attempt: Attempt,
    timer: Pin<Box<Sleep>>,
    bytes_max: usize,
) -> Response<Checked> {
    let (head, stream) = answer.into_parts();
    if stream.is_end_stream() {
        attempt.answered(Code::Ok, &head.headers, false);
        return Response::from_parts(head, Checked::empty());
    }
    let body = Checked::new(stream, timer, bytes_max, head.status, attempt);
    Response::from_parts(head, body)
}
