//! Protection from load: rate limits by address and by subject, and a bound on the requests that are in flight.
//!
//! In the order of a request to `/orders`:
//!
//! 1. [`by_address`]: the rate limit of the client's address, before anybody knows who asks; and where the requests in
//!    flight are as many as may be, 503 at once, without a look at the body;
//! 2. authentication;
//! 3. [`by_subject`]: the rate limit of the subject;
//! 4. [`Protection::enter`]: the place in flight itself, when the body is there and right before Order is called, so
//!    that slow bodies take no places.
//!
//! All of them come before anything is sent to Order: a refused request has left no trace, its key included.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use chassis::metrics::Registry;

use crate::{
    auth::Subject,
    problem::{Problem, QuotaViolation},
    routes::Shared,
};

pub(crate) mod client_address;
pub mod config;
mod forwarded;
mod in_flight;
mod metrics;
mod rate;
mod room;
mod store;

pub use config::Config;
use in_flight::{InFlight, Place};
use metrics::Metrics;
use rate::{Limiter, Verdict};
use room::{Bodies, Room};

#[cfg(test)]
mod tests;

/// The address that a connection comes from, in the extensions of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The limits of one gateway, and how far they are used.
pub(crate) struct Protection {
    by_address: Option<Limiter<IpAddr>>,
    by_subject: Option<Limiter<i64>>,
    proxies: client_address::Proxies,
    in_flight: Arc<InFlight>,
    bodies: Bodies,
    metrics: Metrics,
}

impl Protection {
    /// The limits of `config`; what they refuse is counted in `registry`.
    pub(crate) fn new(config: &Config, registry: &mut Registry) -> Self {
        Self {
            by_address: config.per_address.map(|rate| Limiter::new("address", rate)),
            by_subject: config.per_subject.map(|rate| Limiter::new("subject", rate)),
            proxies: config.proxies.clone(),
            in_flight: Arc::new(InFlight::new(config.in_flight_max)),
            bodies: Bodies::default(),
            metrics: Metrics::register(registry),
        }
    }

    /// A place in flight, given back when it is dropped.
    ///
    /// # Errors
    ///
    /// There is none: NOT_STARTED.
    pub(crate) fn enter(&self) -> Result<Place, Problem> {
        InFlight::enter(&self.in_flight).ok_or_else(|| self.shed())
    }

    /// What the rate limit of addresses says of a request, if there is one, and the address is known.
    fn address(&self, request: &Request) -> Option<Verdict> {
        let (limiter, Peer(peer)) = (self.by_address.as_ref()?, request.extensions().get::<Peer>()?);
        let client = self.proxies.client(*peer, request.headers());
        Some(limiter.check(&client_address::counted(client)))
    }

    /// The same of the rate limit of subjects.
    fn subject(&self, request: &Request) -> Option<Verdict> {
        let (limiter, Subject(id)) = (self.by_subject.as_ref()?, request.extensions().get::<Subject>()?);
        Some(limiter.check(id))
    }

    /// Room for the body of one request.
    pub(crate) fn room(&self) -> Room<'_> {
        self.bodies.room()
    }

    /// The refusal of a request that there is no room for.
    pub(crate) fn shed(&self) -> Problem {
        self.metrics.shed.inc();
        Problem::not_started().with_detail("Too many requests are being worked on. This one was not begun.")
    }

    fn limited(&self, verdict: &Verdict) -> Problem {
        self.metrics.limited(verdict.name());
        let exceeded = QuotaViolation {
            description: format!("{} requests per {}", verdict.rate(), verdict.name()),
            quota_id: verdict.name().to_owned(),
            ..QuotaViolation::default()
        };
        Problem::too_many_requests(exceeded, verdict.retry_after())
    }
}

/// Refuses requests of an address that has had its share, and all of them while too many are in flight.
pub(crate) async fn by_address(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let protection = shared.protection();
    let verdict = protection.address(&request);
    let refusal = match &verdict {
        Some(verdict) if verdict.is_over() => Some(protection.limited(verdict)),
        _ => protection.in_flight.is_full().then(|| protection.shed()),
    };
    answer(verdict, refusal, request, next).await
}

/// Refuses requests of a subject that has had its share.
pub(crate) async fn by_subject(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let verdict = shared.protection().subject(&request);
    let over = verdict.as_ref().filter(|verdict| verdict.is_over());
    let refusal = over.map(|verdict| shared.protection().limited(verdict));
    answer(verdict, refusal, request, next).await
}

/// The refusal, or what comes after it; either tells how much is left.
async fn answer(
    verdict: Option<Verdict>,
    refusal: Option<Problem>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match refusal {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    if let Some(verdict) = verdict {
        verdict.write_to(response.headers_mut());
    }
    response
}
