//! One call: its attempts, and the conclusion from all of them.
//!
//! The rules are those of gRFC A6. An attempt that provably never ran is repeated at once (transparent
//! retry): on every other endpoint if the request never left this process, but once per call if it reached a
//! server. Any other attempt is repeated only by the service config's `retryPolicy`, after a backoff, and
//! only before response headers have arrived.
//!
//! The transparent retry of a request that reached a server is throttled like the retries of a policy, and
//! costs a token. A6 leaves it unthrottled; here, servers that refuse calls get hardly more of them.

use std::{pin::Pin, sync::Arc, time::Duration};

use h2::RecvStream;
use http::{HeaderName, HeaderValue, Request, Response, request, response};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::{Code, Status, body::Body};
use tracing::Instrument;

use crate::{
    attempt::{Attempt, Timers},
    channel_state::ChannelState,
    deadline::deadline_of,
    endpoint::Endpoint,
    failure::TransportError,
    observer::{AttemptObserver, CallObserver},
    request_body::{MESSAGE_PREFIX_BYTES, Payload, RETRY_BUFFER_BYTES_MAX},
    response_body::ResponseBody,
    server_status::{GRPC_STATUS, status_code},
    service_config::{Backoff, MethodConfig, RetryPolicy},
};

/// gRFC A6: milliseconds until the next attempt, set by the server. A negative or unparsable value forbids
/// it.
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
/// gRFC A6: the number of earlier attempts by the retry policy. Transparent retries are not counted.
const PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");
/// Pauses between the connection attempts of a `waitForReady` call.
const WAIT_FOR_READY: Backoff =
    Backoff { initial: Duration::from_millis(50), max: Duration::from_secs(1), multiplier: 1.6 };

pub(crate) struct Call {
    channel: Arc<ChannelState>,
    head: request::Parts,
    /// `None` after the only attempt of a request that is not buffered.
    payload: Option<Payload>,
    method: MethodConfig,
    deadline: Instant,
    observer: Option<Arc<dyn CallObserver>>,
    /// The latest repeated attempt that may have run.
    may_have_run: Option<AttemptOutcome>,
    history: AttemptHistory,
}

/// The attempts so far.
#[derive(Default)]
struct AttemptHistory {
    /// Endpoints that the next attempt avoids while there are others.
    tried: Vec<Arc<Endpoint>>,
    total: u32,
    /// Attempts by the retry policy, the first one included.
    by_policy: u32,
    /// Backoffs since the server's latest pushback.
    backoffs: u32,
    waits_for_ready: u32,
    /// Whether the transparent retry of a request that reached a server was made.
    repeated_refused: bool,
    /// Whether an endpoint whose connection was closing was tried again because there is no other.
    repeated_closed: bool,
}

/// Why an attempt is made.
#[derive(Clone, Copy)]
enum AttemptKind {
    First,
    /// The previous attempt provably never ran.
    Transparent,
    Policy,
}

/// How an attempt ended, if not with a response whose status is still to come.
enum AttemptOutcome {
    /// A response of headers alone, with a status (Trailers-Only).
    Status {
        head: response::Parts,
        is_not_started: bool,
    },
    Error(TransportError),
}

enum NextStep {
    Finish(AttemptOutcome),
    /// Another attempt, after this wait.
    Retry(AttemptKind, Duration, AttemptOutcome),
}

/// The server's instruction about the next attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pushback {
    After(Duration),
    Never,
}

impl AttemptOutcome {
    fn may_have_run(&self) -> bool {
        match self {
            Self::Status { is_not_started, .. } => !is_not_started,
            Self::Error(error) => !error.failure().never_ran(),
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Status { head, .. } => status_code(&head.headers),
            Self::Error(error) => error.code(),
        }
    }

    fn is_retryable(&self, policy: &RetryPolicy) -> bool {
        match self {
            Self::Status { head, .. } => policy.codes.contains(&status_code(&head.headers)),
            // The attempt's own timeout: the call has time left.
            Self::Error(TransportError::DeadlineExceeded | TransportError::DeadlineBeforeSend) => true,
            Self::Error(
                TransportError::RequestTooLarge(_)
                | TransportError::RequestBody(_)
                | TransportError::ResponseTooLarge(_),
            ) => false,
            Self::Error(error) => policy.codes.contains(&error.code()),
        }
    }

    fn has_no_connection(&self) -> bool {
        matches!(
            self,
            Self::Error(
                TransportError::Unreachable { .. }
                    | TransportError::NoAddress(_)
                    | TransportError::ClosedBeforeSend { .. }
            )
        )
    }

    fn pushback(&self) -> Option<Pushback> {
        let Self::Status { head, .. } = self else { return None };
        let text = head.headers.get(&PUSHBACK)?.to_str().ok();
        let wait = text.and_then(|text| text.parse().ok()).map(Duration::from_millis);
        Some(wait.map_or(Pushback::Never, Pushback::After))
    }
}

impl Call {
    pub(crate) async fn new(channel: Arc<ChannelState>, request: Request<Body>) -> Result<Self, Status> {
        let (head, body) = request.into_parts();
        let method = channel.method(head.uri.path());
        let deadline = deadline_of(&head, method.timeout);
        let payload =
            Payload::read_ready(body).await.map_err(|error| TransportError::RequestBody(Arc::new(error)))?;
        if let (Payload::Complete(bytes), Some(max)) = (&payload, method.request_bytes_max)
            && bytes.len().saturating_sub(MESSAGE_PREFIX_BYTES) > max
        {
            return Err(TransportError::RequestTooLarge(max).into());
        }
        let history = AttemptHistory { by_policy: 1, ..AttemptHistory::default() };
        let target = channel.endpoints.target();
        let observer =
            channel.observer.as_ref().and_then(|observer| observer.start_call(target, head.uri.path()));
        let payload = Some(payload);
        Ok(Self { channel, head, payload, method, deadline, observer, may_have_run: None, history })
    }

    /// Makes attempts until one is final.
    pub(crate) async fn run(mut self) -> Result<Response<ResponseBody>, Status> {
        let mut timer = Box::pin(sleep_until(self.deadline));
        let mut kind = AttemptKind::First;
        loop {
            let outcome = match self.attempt(&mut timer, kind).await {
                Ok((response, attempt)) => {
                    let bytes_max = self.response_bytes_max();
                    return Ok(ResponseBody::wrap(response, attempt, timer, bytes_max));
                }
                Err(outcome) => outcome,
            };
            match self.next_step(outcome) {
                NextStep::Finish(last) => return self.finish(last),
                NextStep::Retry(next, wait, outcome) => {
                    kind = next;
                    if outcome.may_have_run() {
                        self.may_have_run = Some(outcome);
                    }
                    if !wait.is_zero() {
                        tokio::time::sleep(wait).await;
                    }
                }
            }
        }
    }

    /// Makes one attempt, up to the headers of a response with a body.
    async fn attempt(
        &mut self,
        timer: &mut Pin<Box<Sleep>>,
        kind: AttemptKind,
    ) -> Result<(Response<RecvStream>, Attempt), AttemptOutcome> {
        let endpoint = self.pick(timer, kind).await.map_err(AttemptOutcome::Error)?;
        let mut attempt = Attempt::start(&self.channel, endpoint.clone(), self.head.uri.path());
        match kind {
            AttemptKind::First => {}
            AttemptKind::Transparent => drop(attempt.meters().transparent_retries.inc()),
            AttemptKind::Policy => drop(attempt.meters().retries.inc()),
        }
        self.history.total += 1;
        let span = tracing::debug_span!("attempt", endpoint = %endpoint.name, number = self.history.total);
        let name = endpoint.name.clone();
        self.history.tried.push(endpoint);
        let attempt_timeout = self.method.retry.as_ref().and_then(|retry| retry.attempt_timeout);
        let mut timers = Timers {
            deadline: self.deadline,
            call: timer,
            attempt: attempt_timeout.map(|timeout| Instant::now() + timeout),
        };
        let (mut head, payload) = (self.head(), self.take_payload());
        if let Some(call) = &self.observer {
            attempt.observe(AttemptObserver::start(call, &name, self.history.total, &mut head.headers));
        }
        let result = match attempt.send(head, payload, &mut timers).instrument(span).await {
            Ok(response) if response.headers().contains_key(GRPC_STATUS) => {
                let (head, _) = response.into_parts();
                let code = status_code(&head.headers);
                if attempt.is_server_timeout(code) {
                    Err(TransportError::DeadlineExceeded)
                } else {
                    let is_not_started = self.channel.is_not_started(&head.headers);
                    attempt.finish_with_status(code, &head.headers, is_not_started);
                    return Err(AttemptOutcome::Status { head, is_not_started });
                }
            }
            result => result,
        };
        match result {
            Ok(response) => Ok((response, attempt)),
            Err(error) => {
                attempt.finish_with_error(&error);
                Err(AttemptOutcome::Error(error))
            }
        }
    }

    /// Picks an endpoint that this call has not tried, if there is one.
    async fn pick(
        &mut self,
        timer: &mut Pin<Box<Sleep>>,
        kind: AttemptKind,
    ) -> Result<Arc<Endpoint>, TransportError> {
        let endpoints = &self.channel.endpoints;
        let list = tokio::select! {
            biased;
            list = endpoints.wait_until_known() => list?,
            () = timer => return Err(TransportError::DeadlineBeforeSend),
        };
        // An endpoint that failed one attempt may serve the next; an ejected one is known not to.
        let may_repeat = matches!(kind, AttemptKind::Policy);
        let balancer = &self.channel.balancer;
        let picked = balancer.pick(&list, &self.history.tried, may_repeat);
        let picked = picked.or_else(|| balancer.pick(&list, &[], may_repeat));
        // The list is not empty, so that one was picked.
        picked.ok_or_else(|| TransportError::NoAddress(endpoints.target().clone()))
    }

    /// The payload of the next attempt. A payload within the retry buffer stays for later attempts (gRFC A6).
    fn take_payload(&mut self) -> Payload {
        match self.payload.take() {
            Some(Payload::Complete(bytes)) if bytes.len() <= RETRY_BUFFER_BYTES_MAX => {
                self.payload = Some(Payload::Complete(bytes.clone()));
                Payload::Complete(bytes)
            }
            Some(unbuffered) => unbuffered,
            // Unreachable: without a payload there is no retry.
            None => Payload::Complete(bytes::Bytes::new()),
        }
    }

    /// The request headers of the next attempt.
    fn head(&self) -> request::Parts {
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = self.head.method.clone();
        head.uri = self.head.uri.clone();
        head.headers = self.head.headers.clone();
        if self.history.by_policy > 1 {
            head.headers.insert(PREVIOUS_ATTEMPTS, HeaderValue::from(self.history.by_policy - 1));
        }
        head
    }

    fn next_step(&mut self, outcome: AttemptOutcome) -> NextStep {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if self.payload.is_none() || left.is_zero() {
            return NextStep::Finish(outcome);
        }
        if self.may_retry_transparently(&outcome) {
            return NextStep::Retry(AttemptKind::Transparent, Duration::ZERO, outcome);
        }
        if let Some(wait) = self.policy_wait(&outcome).filter(|wait| *wait < left) {
            self.history.by_policy += 1;
            // The next attempt may repeat every endpoint but the last.
            self.history.tried.drain(..self.history.tried.len().saturating_sub(1));
            return NextStep::Retry(AttemptKind::Policy, wait, outcome);
        }
        if self.method.wait_for_ready && outcome.has_no_connection() {
            self.history.waits_for_ready += 1;
            let wait = WAIT_FOR_READY.wait(self.history.waits_for_ready);
            if wait < left {
                self.history.tried.clear();
                return NextStep::Retry(AttemptKind::Transparent, wait, outcome);
            }
        }
        NextStep::Finish(outcome)
    }

    /// Whether the attempt is repeated at once, because it provably never ran.
    fn may_retry_transparently(&mut self, outcome: &AttemptOutcome) -> bool {
        match outcome {
            // Another server may have room.
            AttemptOutcome::Status { is_not_started, .. } => {
                *is_not_started
                    && outcome.pushback() != Some(Pushback::Never)
                    && self.has_untried_endpoint()
                    && self.may_repeat_refused()
            }
            // Also on the same endpoint, which may take a new connection.
            AttemptOutcome::Error(TransportError::StreamRefused { .. }) => self.may_repeat_refused(),
            AttemptOutcome::Error(TransportError::ClosedBeforeSend { .. }) => {
                self.has_untried_endpoint() || !std::mem::replace(&mut self.history.repeated_closed, true)
            }
            AttemptOutcome::Error(
                TransportError::Unreachable { .. } | TransportError::DeadlineBeforeSend,
            ) => self.has_untried_endpoint(),
            AttemptOutcome::Error(_) => false,
        }
    }

    /// Whether a request that reached a server is sent once more: all servers may be as full as that one.
    fn may_repeat_refused(&mut self) -> bool {
        let may = !self.history.repeated_refused && self.channel.throttle.try_spend();
        self.history.repeated_refused = true;
        may
    }

    fn has_untried_endpoint(&self) -> bool {
        let is_tried =
            |endpoint: &Arc<Endpoint>| self.history.tried.iter().any(|tried| Arc::ptr_eq(tried, endpoint));
        self.channel.endpoints.list().iter().any(|endpoint| !is_tried(endpoint))
    }

    /// The wait before the next attempt by the retry policy; `None` if the policy allows none.
    fn policy_wait(&mut self, outcome: &AttemptOutcome) -> Option<Duration> {
        let retry = self.method.retry.as_ref()?;
        let (retryable, pushback) = (outcome.is_retryable(retry), outcome.pushback());
        if retryable || pushback == Some(Pushback::Never) {
            self.channel.throttle.record_failure();
        }
        let attempts_left = self.history.by_policy < retry.attempts_max;
        if !retryable || !attempts_left || !self.channel.throttle.allows_retry() {
            return None;
        }
        match pushback {
            Some(Pushback::Never) => None,
            Some(Pushback::After(wait)) => {
                self.history.backoffs = 0;
                Some(wait)
            }
            None => {
                self.history.backoffs += 1;
                Some(retry.backoff.wait(self.history.backoffs))
            }
        }
    }

    /// The result of the call. An earlier attempt that may have run outweighs a last one that did not: the
    /// latter proves nothing about the call.
    fn finish(mut self, last: AttemptOutcome) -> Result<Response<ResponseBody>, Status> {
        let earlier = self.may_have_run.take().filter(|_| !last.may_have_run());
        let outcome = earlier.unwrap_or(last);
        if let Some(call) = &self.observer {
            call.set_status(outcome.code());
        }
        match outcome {
            AttemptOutcome::Error(error) => Err(error.into()),
            AttemptOutcome::Status { head, .. } => Ok(Response::from_parts(head, ResponseBody::empty())),
        }
    }

    fn response_bytes_max(&self) -> usize {
        let method_max = self.method.response_bytes_max.unwrap_or(usize::MAX);
        self.channel.response_bytes_max.min(method_max.saturating_add(MESSAGE_PREFIX_BYTES))
    }
}
