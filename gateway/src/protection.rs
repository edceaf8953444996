//! Protection from load: rate limits by address and by subject, and a bound on the requests that are in flight.
//!
//! `Protection::by_address` and `Protection::by_subject` are asked in `admission`, the former also in `door`; `Protection::enter`
//! gives the place in flight itself, when the body is there and right before Order is called, so that slow bodies take no
//! places.
//!
//! All of them come before anything is sent to Order: a refused request has left no trace, its key included.

use std::{net::IpAddr, sync::Arc};

use axum::response::Response;
use http::Request;
use service_kit::metrics::Registry;

use crate::{
    auth::Subject,
    problem::{Problem, QuotaViolation},
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
            by_address: config.per_address.map(|rate| Limiter::new(metrics::BY_ADDRESS, rate)),
            by_subject: config.per_subject.map(|rate| Limiter::new(metrics::BY_SUBJECT, rate)),
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

    /// Refuses requests of an address that has had its share.
    pub(crate) fn by_address<B>(&self, request: &Request<B>) -> Checked {
        let known = self.by_address.as_ref().zip(request.extensions().get::<Peer>());
        self.checked(known.map(|(limiter, Peer(peer))| {
            let client = self.proxies.client(*peer, request.headers());
            limiter.check(&client_address::counted(client))
        }))
    }

    /// Refuses requests of a subject that has had its share.
    pub(crate) fn by_subject<B>(&self, request: &Request<B>) -> Checked {
        let known = self.by_subject.as_ref().zip(request.extensions().get::<Subject>());
        self.checked(known.map(|(limiter, Subject(id))| limiter.check(id)))
    }

    fn checked(&self, verdict: Option<Verdict>) -> Checked {
        let over = verdict.as_ref().filter(|verdict| verdict.is_over());
        Checked { refusal: over.map(|verdict| self.limited(verdict)), verdict }
    }

    /// Whether no place is left.
    pub(crate) fn is_full(&self) -> bool {
        self.in_flight.is_full()
    }

    /// Room for the body of one request.
    pub(crate) fn room(&self) -> Room<'_> {
        self.bodies.room()
    }

    /// The refusal of a request that there is no room for.
    pub(crate) fn shed(&self) -> Problem {
        self.count_shed();
        full()
    }

    /// One request was refused since there is no room for it.
    pub(crate) fn count_shed(&self) {
        self.metrics.shed.inc();
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

/// What a request is told that there is no room for.
pub(crate) fn full() -> Problem {
    Problem::not_started().with_detail("Too many requests are being worked on. This one was not begun.")
}

/// What the limits say of a request.
pub(crate) struct Checked {
    verdict: Option<Verdict>,
    refusal: Option<Problem>,
}

impl Checked {
    /// The refusal, if it is one.
    pub(crate) fn refusal(&mut self) -> Option<Problem> {
        self.refusal.take()
    }

    /// `response`, which tells how much is left.
    pub(crate) fn told(self, mut response: Response) -> Response {
        if let Some(verdict) = self.verdict {
            verdict.write_to(response.headers_mut());
        }
        response
    }
}
