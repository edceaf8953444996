//! One call: as many attempts as may be made of it, and what they prove together.
//!
//! After gRFC A6. An attempt that provably never ran is made anew at once, at another endpoint ("transparent retry").
//! Any other is made anew only where the service config's `retryPolicy` says so, after a wait, and only before the head
//! of an answer has come.

use std::{pin::Pin, sync::Arc, time::Duration};

use h2::RecvStream;
use http::{HeaderName, HeaderValue, Request, Response, request, response};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::{Code, Status, body::Body};
use tracing::Instrument;

use crate::{
    Deadline,
    attempt::{Attempt, Timers, body_of},
    body::{Checked, GRPC_STATUS, status_code},
    endpoint::Endpoint,
    failure::Raised,
    observe::{ObservedCall, Watched},
    request::{PREFIX_BYTES, Payload, REQUEST_BYTES_KEPT_MAX},
    service_config::{Backoff, MethodConfig, RetryPolicy},
    shared::Shared,
    timeout,
    transport::DEADLINE_DEFAULT,
};

/// gRFC A6: when the server wants the next attempt, in milliseconds; negative or no number where it wants none.
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
/// gRFC A6: how many attempts by a policy were made before this one; those that never ran are not counted.
const PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");
/// How long a call that waits for an endpoint to be ready waits before it looks again (`waitForReady`).
const WAIT_FOR_READY: Backoff =
    Backoff { initial: Duration::from_millis(50), max: Duration::from_secs(1), multiplier: 1.6 };

pub(crate) struct Call {
    shared: Arc<Shared>,
    head: request::Parts,
    /// `None` after the one attempt of a request that is not kept.
    payload: Option<Payload>,
    method: MethodConfig,
    deadline: Instant,
    observed: Option<Arc<dyn ObservedCall>>,
    /// The last attempt that may have run, of those that were made anew.
    may_have_run: Option<Ended>,
    turns: Turns,
}

/// Which attempts were made.
#[derive(Default)]
struct Turns {
    /// Endpoints that the next attempt does not go to, while there is another.
    tried: Vec<Arc<Endpoint>>,
    all: u32,
    /// By the retry policy, the first one included.
    by_policy: u32,
    /// Waits by the policy, since a server last said how long to wait.
    waits: u32,
    waits_for_ready: u32,
    /// Whether an endpoint that refused was tried once more, for lack of another.
    tried_again: bool,
}

/// Why an attempt is made.
#[derive(Clone, Copy)]
enum Kind {
    First,
    /// The one before provably never ran.
    Transparent,
    Policy,
}

/// How an attempt ended, short of an answer whose status is still to come.
enum Ended {
    /// The head of the answer is all of it, and holds a status.
    Status {
        head: response::Parts,
        is_refusal: bool,
    },
    Raised(Raised),
}

/// What is to be done after an attempt.
enum Next {
    /// Nothing: this is how the call ended.
    End(Ended),
    /// Another attempt, after this time.
    Again(Kind, Duration, Ended),
}

/// What a server says about another attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pushback {
    After(Duration),
    Never,
}

impl Ended {
    fn may_have_run(&self) -> bool {
        match self {
            Self::Status { is_refusal, .. } => !is_refusal,
            Self::Raised(raised) => !raised.failure().never_ran(),
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Status { head, .. } => status_code(&head.headers),
            Self::Raised(raised) => raised.code(),
        }
    }

    fn is_retryable(&self, policy: &RetryPolicy) -> bool {
        match self {
            Self::Status { head, .. } => policy.codes.contains(&status_code(&head.headers)),
            // An attempt that took too long, of a call that has time left.
            Self::Raised(Raised::DeadlineExceeded | Raised::NeverSent) => true,
            Self::Raised(Raised::RequestTooLarge(_) | Raised::RequestBroken(_) | Raised::TooLarge(_)) => {
                false
            }
            Self::Raised(raised) => policy.codes.contains(&raised.code()),
        }
    }

    fn is_for_want_of_a_connection(&self) -> bool {
        matches!(
            self,
            Self::Raised(
                Raised::Unreachable { .. }
                    | Raised::NoEndpoint(_)
                    | Raised::Refused { .. }
                    | Raised::Closed(_)
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
    pub(crate) async fn new(shared: Arc<Shared>, request: Request<Body>) -> Result<Self, Status> {
        let (head, body) = request.into_parts();
        let method = shared.config.method(head.uri.path()).cloned().unwrap_or_default();
        let now = Instant::now();
        let given = head.extensions.get::<Deadline>().map(|deadline| deadline.0);
        let of_method = method.timeout.map(|timeout| now + timeout);
        // Where `tonic::Request::set_timeout` puts it.
        let in_head = head.headers.get(timeout::GRPC_TIMEOUT).and_then(timeout::parse);
        let in_head = in_head.and_then(|timeout| now.checked_add(timeout));
        let deadline =
            given.into_iter().chain(of_method).chain(in_head).min().unwrap_or(now + DEADLINE_DEFAULT);
        let payload = Payload::take(body).await.map_err(|error| Raised::RequestBroken(Arc::new(error)))?;
        if let (Payload::Whole(bytes), Some(max)) = (&payload, method.request_bytes_max)
            && bytes.len().saturating_sub(PREFIX_BYTES) > max
        {
            return Err(Raised::RequestTooLarge(max).into());
        }
        let turns = Turns { by_policy: 1, ..Turns::default() };
        let target = shared.endpoints.target();
        let observed = shared.observer.as_ref().and_then(|observer| observer.call(target, head.uri.path()));
        let payload = Some(payload);
        Ok(Self { shared, head, payload, method, deadline, observed, may_have_run: None, turns })
    }

    /// Makes attempts until one of them is to be the last.
    pub(crate) async fn run(mut self) -> Result<Response<Checked>, Status> {
        let mut timer = Box::pin(sleep_until(self.deadline));
        let mut kind = Kind::First;
        loop {
            let ended = match self.attempt(&mut timer, kind).await {
                Ok((answer, attempt)) => {
                    let bytes_max = self.response_bytes_max();
                    return Ok(body_of(answer, attempt, timer, bytes_max));
                }
                Err(ended) => ended,
            };
            match self.judge(ended) {
                Next::End(last) => return self.conclude(last),
                Next::Again(next, wait, ended) => {
                    kind = next;
                    if ended.may_have_run() {
                        self.may_have_run = Some(ended);
                    }
                    if !wait.is_zero() {
                        tokio::time::sleep(wait).await;
                    }
                }
            }
        }
    }

    /// An attempt, up to the head of an answer that brings a message.
    async fn attempt(
        &mut self,
        timer: &mut Pin<Box<Sleep>>,
        kind: Kind,
    ) -> Result<(Response<RecvStream>, Attempt), Ended> {
        let endpoint = self.pick(timer, kind).await.map_err(Ended::Raised)?;
        let mut attempt = Attempt::begin(&self.shared, endpoint.clone(), self.head.uri.path());
        match kind {
            Kind::First => {}
            Kind::Transparent => drop(attempt.meters().transparent_retries.inc()),
            Kind::Policy => drop(attempt.meters().retries.inc()),
        }
        self.turns.all += 1;
        let span = tracing::debug_span!("attempt", endpoint = %endpoint.name, number = self.turns.all);
        let name = endpoint.name.clone();
        self.turns.tried.push(endpoint);
        let attempt_timeout = self.method.retry.as_ref().and_then(|retry| retry.attempt_timeout);
        let mut timers = Timers {
            deadline: self.deadline,
            call: timer,
            attempt: attempt_timeout.map(|timeout| Instant::now() + timeout),
        };
        let (mut head, payload) = (self.head(), self.take_payload());
        if let Some(call) = &self.observed {
            attempt.watch(Watched::begin(call, &name, self.turns.all, &mut head.headers));
        }
        let ended = match attempt.send(head, payload, &mut timers).instrument(span).await {
            Ok(answer) if answer.headers().contains_key(GRPC_STATUS) => {
                let (head, _) = answer.into_parts();
                let code = status_code(&head.headers);
                if attempt.is_out_of_time(code) {
                    Err(Raised::DeadlineExceeded)
                } else {
                    let is_refusal = self.shared.is_refusal(&head.headers);
                    attempt.answered(code, &head.headers, is_refusal);
                    return Err(Ended::Status { head, is_refusal });
                }
            }
            answer => answer,
        };
        match ended {
            Ok(answer) => Ok((answer, attempt)),
            Err(raised) => {
                attempt.failed(&raised);
                Err(Ended::Raised(raised))
            }
        }
    }

    /// An endpoint, another one than before where there is another.
    async fn pick(&mut self, timer: &mut Pin<Box<Sleep>>, kind: Kind) -> Result<Arc<Endpoint>, Raised> {
        let endpoints = &self.shared.endpoints;
        let list = tokio::select! {
            biased;
            list = endpoints.some() => list?,
            () = timer => return Err(Raised::NeverSent),
        };
        // One that failed an attempt may do better the next time; one that is out of use is known not to.
        let may_repeat = matches!(kind, Kind::Policy);
        let picked = self.shared.balancer.pick(&list, &self.turns.tried, may_repeat).or_else(|| {
            self.turns.tried.clear();
            self.shared.balancer.pick(&list, &[], may_repeat)
        });
        // A list that is not empty has one.
        picked.ok_or_else(|| Raised::NoEndpoint(endpoints.target().clone()))
    }

    /// What the next attempt sends; kept for another one where that is possible.
    fn take_payload(&mut self) -> Payload {
        match self.payload.take() {
            Some(Payload::Whole(bytes)) if bytes.len() <= REQUEST_BYTES_KEPT_MAX => {
                self.payload = Some(Payload::Whole(bytes.clone()));
                Payload::Whole(bytes)
            }
            Some(once) => once,
            // Nothing is tried again without a payload.
            None => Payload::Whole(bytes::Bytes::new()),
        }
    }

    /// The head of the next attempt.
    fn head(&self) -> request::Parts {
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = self.head.method.clone();
        head.uri = self.head.uri.clone();
        head.headers = self.head.headers.clone();
        if self.turns.by_policy > 1 {
            head.headers.insert(PREVIOUS_ATTEMPTS, HeaderValue::from(self.turns.by_policy - 1));
        }
        head
    }

    fn judge(&mut self, ended: Ended) -> Next {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if self.payload.is_none() || left.is_zero() {
            return Next::End(ended);
        }
        if self.goes_elsewhere(&ended) {
            return Next::Again(Kind::Transparent, Duration::ZERO, ended);
        }
        if let Some(wait) = self.wait_by_policy(&ended).filter(|wait| *wait < left) {
            self.turns.by_policy += 1;
            // All but the last may be tried again.
            self.turns.tried.drain(..self.turns.tried.len().saturating_sub(1));
            return Next::Again(Kind::Policy, wait, ended);
        }
        if self.method.wait_for_ready && ended.is_for_want_of_a_connection() {
            self.turns.waits_for_ready += 1;
            let wait = WAIT_FOR_READY.wait(self.turns.waits_for_ready);
            if wait < left {
                self.turns.tried.clear();
                return Next::Again(Kind::Transparent, wait, ended);
            }
        }
        Next::End(ended)
    }

    /// Whether the attempt is made anew at once, at another endpoint: only where it provably never ran.
    fn goes_elsewhere(&mut self, ended: &Ended) -> bool {
        let list = self.shared.endpoints.list();
        let tried =
            |endpoint: &Arc<Endpoint>| self.turns.tried.iter().any(|tried| Arc::ptr_eq(tried, endpoint));
        let has_another = list.iter().any(|endpoint| !tried(endpoint));
        match ended {
            // Whoever refuses work may not be the only one who is full: the throttle spares them this, too.
            Ended::Status { is_refusal, .. } => {
                let may = *is_refusal && has_another && ended.pushback() != Some(Pushback::Never);
                may && self.shared.throttle.spends()
            }
            // A connection that was being closed is no endpoint that is gone.
            Ended::Raised(Raised::Refused { .. } | Raised::Closed(_)) => {
                has_another || !std::mem::replace(&mut self.turns.tried_again, true)
            }
            Ended::Raised(Raised::Unreachable { .. } | Raised::NeverSent) => has_another,
            Ended::Raised(_) => false,
        }
    }

    /// How long to wait before an attempt that the retry policy allows.
    fn wait_by_policy(&mut self, ended: &Ended) -> Option<Duration> {
        let retry = self.method.retry.as_ref()?;
        let (retryable, pushback) = (ended.is_retryable(retry), ended.pushback());
        if retryable || pushback == Some(Pushback::Never) {
            self.shared.throttle.failed();
        }
        if !retryable || self.turns.by_policy >= retry.attempts_max || !self.shared.throttle.allows() {
            return None;
        }
        match pushback {
            Some(Pushback::Never) => None,
            Some(Pushback::After(wait)) => {
                self.turns.waits = 0;
                Some(wait)
            }
            None => {
                self.turns.waits += 1;
                Some(retry.backoff.wait(self.turns.waits))
            }
        }
    }

    /// How the call ended, given how its last attempt did: one that may have run outweighs one that did not, which proves
    /// nothing of the call.
    fn conclude(mut self, last: Ended) -> Result<Response<Checked>, Status> {
        let earlier = self.may_have_run.take().filter(|_| !last.may_have_run());
        let ended = earlier.unwrap_or(last);
        if let Some(call) = &self.observed {
            call.came_to(ended.code());
        }
        match ended {
            Ended::Raised(raised) => Err(raised.into()),
            Ended::Status { head, .. } => Ok(Response::from_parts(head, Checked::empty())),
        }
    }

    fn response_bytes_max(&self) -> usize {
        let of_method = self.method.response_bytes_max.unwrap_or(usize::MAX);
        self.shared.response_bytes_max.min(of_method.saturating_add(PREFIX_BYTES))
    }
}
