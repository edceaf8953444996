//! Limits of load: rate limits by address and by user, a bound on requests in flight, and one on bytes of
//! bodies.
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
mod rate_limit;

use body_budget::{BodyBudget, BodyReservation};
pub use config::Config;
use metrics::Metrics;
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
            in_flight: Semaphore::new(config.in_flight_max),
            bodies: BodyBudget::default(),
            metrics: Metrics::register(registry),
        }
    }

    /// Takes an in-flight permit.
    ///
    /// # Errors
    ///
    /// 503 NOT_STARTED if none is left.
    pub(crate) fn try_acquire(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.in_flight.try_acquire().map_err(|_| self.shed())
    }

    /// Counts a request against the rate limit of its client address.
    pub(crate) fn check_address<B>(&self, request: &Request<B>) -> RateLimitCheck {
        let limited = self.by_address.as_ref().zip(request.extensions().get::<PeerAddress>());
        self.check(limited.map(|(limiter, PeerAddress(peer))| {
            let client = self.proxies.client(*peer, request.headers());
            limiter.check(&client_address::client_key(client))
        }))
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
