//! Permits of calls in flight, and the load that they mean.

use std::sync::{Arc, atomic::Ordering};

use http::{HeaderValue, Response};
use tokio::time::Instant;
use tonic::{Code, body::Body};

use super::Shared;
use crate::grpc::{CALLS_IN_FLIGHT_MAX, load::Reporter};

/// The header or trailer with the status.
const GRPC_STATUS: &str = "grpc-status";

/// The permit of one call in flight. Dropping it releases it: after the response, or when the client
/// disconnects.
pub(super) struct Slot(Arc<Shared>);

impl Slot {
    pub(super) fn try_acquire(shared: &Arc<Shared>) -> Option<Self> {
        let has_room = shared.in_flight.fetch_add(1, Ordering::Relaxed) < CALLS_IN_FLIGHT_MAX
            && shared.tasks.len() < CALLS_IN_FLIGHT_MAX;
        let slot = has_room.then(|| Self(shared.clone()));
        match slot {
            Some(_) => drop(shared.metrics.in_flight.inc()),
            None => drop(shared.in_flight.fetch_sub(1, Ordering::Relaxed)),
        }
        slot
    }

    /// Records a call of `method` that ended with `code`.
    pub(super) fn count(&self, method: String, code: Code, started: Instant) {
        self.0.metrics.ended(method, code, started.elapsed().as_secs_f64());
    }
}

/// The status in the headers of a failed unary response; OK for any other response.
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
    fn report(&self, code: Code) -> HeaderValue {
        let working = self.in_flight.load(Ordering::Relaxed) + self.tasks.len();
        // At least 1: this call has released its permit by now, and 0 means "unknown" to some load balancers.
        self.load.report(code, working.max(1), Instant::now())
    }
}
