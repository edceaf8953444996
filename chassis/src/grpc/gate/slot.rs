//! The places of calls in flight, and what is counted and reported of answers.

use std::sync::{Arc, atomic::Ordering};

use http::{HeaderValue, Response};
use tokio::time::Instant;
use tonic::{Code, Status, body::Body};

use super::Shared;
use crate::{
    grpc::{CALLS_IN_FLIGHT_MAX, load::Reporter},
    metrics::CallLabels,
};

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

    pub(super) fn count(&self, method: String, response: &Response<Body>, started: Instant) {
        // A unary answer that failed has its status in the headers; any other is counted as OK.
        let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
        // Any path may be asked for, and each would be kept for ever.
        let method = if code == Code::Unimplemented { "unknown".to_owned() } else { method };
        let code = i32::from(code).unsigned_abs();
        self.0.metrics.calls.get_or_create(&CallLabels { method, code }).inc();
        self.0.metrics.seconds.observe(started.elapsed().as_secs_f64());
    }
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
