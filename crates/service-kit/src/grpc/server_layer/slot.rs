//! The places of calls in flight, and what is reported of them.

use std::sync::{Arc, atomic::Ordering};

use http::{HeaderValue, Response};
use tokio::time::Instant;
use tonic::{Code, body::Body};

use super::Shared;
use crate::grpc::{CALLS_IN_FLIGHT_MAX, load::Reporter};

/// Where an answer's status is.
const GRPC_STATUS: &str = "grpc-status";

/// One call in flight; gives its place back when dropped, by an answer or by a caller that went away.
pub(super) struct Slot(Arc<Shared>);

impl Slot {
    pub(super) fn take(shared: &Arc<Shared>) -> Option<Self> {
        let room = shared.in_flight.fetch_add(1, Ordering::Relaxed) < CALLS_IN_FLIGHT_MAX
            && shared.tasks.len() < CALLS_IN_FLIGHT_MAX;
        let slot = room.then(|| Self(shared.clone()));
        match slot {
            Some(_) => drop(shared.metrics.in_flight.inc()),
            None => drop(shared.in_flight.fetch_sub(1, Ordering::Relaxed)),
        }
        slot
    }

    /// Counts a call of `method` that ended with `code`.
    pub(super) fn count(&self, method: String, code: Code, started: Instant) {
        self.0.metrics.ended(method, code, started.elapsed().as_secs_f64());
    }
}

/// A unary answer that failed has its status in the headers; any other is counted as OK.
pub(super) fn code_of(response: &Response<Body>) -> Code {
    response.headers().get(GRPC_STATUS).map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.in_flight.dec();
    }
}

impl Reporter for Shared {
    fn report(&self, answered: Code) -> HeaderValue {
        let working = self.in_flight.load(Ordering::Relaxed) + self.tasks.len();
        // At least this call, which has given its place back by now: to some balancers 0 means that nothing is known.
        self.load.report(answered, working.max(1), Instant::now())
    }
}
