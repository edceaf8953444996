//! Limits of load: rate limits by address and by user, bounds on open requests and on requests in flight, and
//! one on bytes of bodies.
//!
//! A request is open from its head to its response, and in flight while it waits for Order.
//!
//! `admission` and `service` check the rate limits. Handlers take an in-flight permit themselves, after the
//! body has arrived and right before the call of Order, so that slow bodies take no permits.
//!
//! Every check comes before the first byte is sent to Order: a rejected request leaves no trace, its
//! idempotency key included.

use std::net::IpAddr;

use axum::response::Response;
use http::Request;
use service_kit::metrics::Registry;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    auth::Subject,
    problem::{Problem, QuotaViolation},
};

mod body_budget;
mod bucket_store;
pub(crate) mod client_address;
pub mod config;
mod forwarded;
mod metrics;
mod open_requests;
mod rate_limit;

use body_budget::{BodyBudget, BodyReservation};
pub use config::Config;
use metrics::Metrics;
pub(crate) use open_requests::OpenRequest;
use open_requests::OpenRequests;
use rate_limit::{RateLimitDecision, RateLimiter};

#[cfg(test)]
mod tests;

/// The address of a connection's other end, an extension of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeerAddress(pub(crate) IpAddr);

/// The limits of one gateway, and their current use.
pub(crate) struct LoadLimits {
    by_address: Option<RateLimiter<IpAddr>>,
    by_subject: Option<RateLimiter<i64>>,
    proxies: client_address::TrustedProxies,
    open: OpenRequests,
    in_flight: Semaphore,
    bodies: BodyBudget,
    metrics: Metrics,
}

impl LoadLimits {
    /// The limits of `config`; rejections are counted in `registry`.
    pub(crate) fn new(config: &Config, registry: &mut Registry) -> Self {
        Self {
            by_address: config.per_address.map(|rate| RateLimiter::new(metrics::BY_ADDRESS, rate)),
            by_subject: config.per_subject.map(|rate| RateLimiter::new(metrics::BY_SUBJECT, rate)),
            proxies: config.proxies.clone(),
            open: OpenRequests::new(config.open_max, config.open_per_address_max),
            in_flight: Semaphore::new(config.in_flight_max),
            bodies: BodyBudget::default(),
            metrics: Metrics::register(registry),
        }
    }

    /// Counts an open request; `None` if its address or all addresses together have reached their limit.
    pub(crate) fn try_open<B>(&self, request: &Request<B>) -> Option<OpenRequest<'_>> {
        self.open.try_open(self.client(request), request)
    }

    /// Takes an in-flight permit.
    ///
    /// # Errors
    ///
    /// 503 NOT_STARTED if none is left; counts the rejection.
    pub(crate) fn try_acquire(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.permit().ok_or_else(|| self.shed())
    }

    /// An in-flight permit, if one is left.
    pub(crate) fn permit(&self) -> Option<SemaphorePermit<'_>> {
        self.in_flight.try_acquire().ok()
    }

    /// The address that a request counts for. `None` only in tests, which have no connection.
    fn client<B>(&self, request: &Request<B>) -> Option<IpAddr> {
        let PeerAddress(peer) = request.extensions().get()?;
        Some(client_address::client_key(self.proxies.client(*peer, request.headers())))
    }

    /// Counts a request against the rate limit of its client address.
    pub(crate) fn check_address<B>(&self, request: &Request<B>) -> RateLimitCheck {
        let limited = self.by_address.as_ref().and_then(|limiter| Some((limiter, self.client(request)?)));
        self.check(limited.map(|(limiter, client)| limiter.check(&client)))
    }

    /// Counts a request against the rate limit of its authenticated user.
    pub(crate) fn check_subject<B>(&self, request: &Request<B>) -> RateLimitCheck {
        let limited = self.by_subject.as_ref().zip(request.extensions().get::<Subject>());
        self.check(limited.map(|(limiter, Subject(id))| limiter.check(id)))
    }

    fn check(&self, decision: Option<RateLimitDecision>) -> RateLimitCheck {
        let over = decision.as_ref().filter(|decision| decision.is_over());
        RateLimitCheck { rejection: over.map(|decision| self.rate_limited(decision)), decision }
    }

    /// Whether every in-flight permit is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.in_flight.available_permits() == 0
    }

    /// A reservation, still empty, for the body of one request.
    pub(crate) fn reserve_body(&self) -> BodyReservation<'_> {
        self.bodies.reserve()
    }

    /// Counts a shed request and returns its rejection.
    pub(crate) fn shed(&self) -> Problem {
        self.count_shed();
        overloaded()
    }

    pub(crate) fn count_shed(&self) {
        self.metrics.shed.inc();
    }

    fn rate_limited(&self, decision: &RateLimitDecision) -> Problem {
        self.metrics.rate_limited(decision.name);
        let exceeded = QuotaViolation {
            description: format!("{} requests per {}", decision.rate, decision.name),
            quota_id: decision.name.to_owned(),
            ..QuotaViolation::default()
        };
        Problem::too_many_requests(exceeded, decision.retry_after())
    }
}

/// The rejection of a shed request: 503 NOT_STARTED.
pub(crate) fn overloaded() -> Problem {
    Problem::not_started().with_detail("Too many requests are being worked on. This one was not begun.")
}

/// The outcome of one rate limit for one request.
pub(crate) struct RateLimitCheck {
    /// `None` where the limit does not apply.
    decision: Option<RateLimitDecision>,
    rejection: Option<Problem>,
}

impl RateLimitCheck {
    /// Takes the rejection of a request over the limit.
    pub(crate) fn rejection(&mut self) -> Option<Problem> {
        self.rejection.take()
    }

    /// Adds the `RateLimit` headers to the response.
    pub(crate) fn apply_headers(self, mut response: Response) -> Response {
        if let Some(decision) = self.decision {
            decision.apply_headers(response.headers_mut());
        }
        response
    }
}
