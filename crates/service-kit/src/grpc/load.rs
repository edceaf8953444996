//! Load reports in the trailers of responses (ORCA, gRFC A51), for clients that balance between servers.
//!
//! - [`Load`]: the report and its refresh interval
//! - `rate`: responses and errors of the last second
//! - `processor`: the share of the processors that this process uses
//! - `reporting`: the trailer of a response

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use grpc_client::orca::LoadReport;
use http::HeaderValue;
use tokio::time::Instant;
use tonic::Code;

use super::CALLS_IN_FLIGHT_MAX;

mod processor;
mod rate;
mod reporting;

use processor::Processor;
use rate::Rate;
pub(super) use reporting::{Reporter, Reporting};

/// The age at which a report is computed anew.
const REPORT_MAX_AGE: Duration = Duration::from_millis(100);

/// The load of one server.
pub(super) struct Load {
    responses: Rate,
    errors: Rate,
    last: Mutex<Last>,
}

/// The last report.
struct Last {
    value: HeaderValue,
    /// `None` before the first.
    at: Option<Instant>,
    processor: Processor,
}

impl Load {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let value = LoadReport::default().to_value();
        let last = Mutex::new(Last { value, at: None, processor: Processor::new(now) });
        Self { responses: Rate::new(now), errors: Rate::new(now), last }
    }

    /// Counts a response that is sent `now`, while `working` calls and tasks are in flight, and returns its
    /// report.
    pub(super) fn report(&self, code: Code, working: usize, now: Instant) -> HeaderValue {
        self.responses.count(now);
        if is_error(code) {
            self.errors.count(now);
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.at.is_none_or(|at| now.saturating_duration_since(at) >= REPORT_MAX_AGE) {
            let utilization = share_of_limit(working).max(last.processor.used(now));
            let (rps, eps) = (f64::from(self.responses.of(now)), f64::from(self.errors.of(now)));
            last.value = LoadReport { utilization, rps, eps }.to_value();
            last.at = Some(now);
        }
        last.value.clone()
    }
}

/// Whether a response is an error of the server. Errors of the client and rejections by the domain are none,
/// and an unknown method is none, since any client can call one.
fn is_error(code: Code) -> bool {
    match code {
        Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => false,
    }
}

/// The share of [`CALLS_IN_FLIGHT_MAX`] in use; above 1 where calls and tasks together exceed it.
#[expect(clippy::float_arithmetic, reason = "it is a ratio")]
fn share_of_limit(working: usize) -> f64 {
    let number = |count: usize| u32::try_from(count).map_or(f64::from(u32::MAX), f64::from);
    number(working) / number(CALLS_IN_FLIGHT_MAX)
}

#[cfg(test)]
mod tests {
    use grpc_client::orca::TRAILER;
    use http::HeaderMap;

    use super::*;

    fn read(value: HeaderValue) -> LoadReport {
        LoadReport::from_trailers(&HeaderMap::from_iter([(TRAILER, value)])).unwrap()
    }

    #[test]
    fn a_report_has_the_responses_and_errors_of_the_last_second() {
        let (load, now) = (Load::new(), Instant::now());
        let first = read(load.report(Code::Internal, 0, now));
        assert_eq!((first.rps, first.eps), (1.0, 1.0));
        for code in [Code::Ok, Code::InvalidArgument, Code::Unavailable] {
            load.report(code, 0, now);
        }
        let next = read(load.report(Code::Ok, 0, now + REPORT_MAX_AGE));
        assert_eq!((next.rps, next.eps), (5.0, 2.0));
        let last = read(load.report(Code::Ok, 0, now + Duration::from_secs(2)));
        assert_eq!((last.rps, last.eps), (1.0, 0.0));
    }

    #[test]
    fn a_report_is_computed_once_per_interval() {
        let (load, now) = (Load::new(), Instant::now());
        let first = load.report(Code::Ok, 0, now);
        assert_eq!(load.report(Code::Ok, CALLS_IN_FLIGHT_MAX * 2, now + REPORT_MAX_AGE / 2), first);
        let next = read(load.report(Code::Ok, CALLS_IN_FLIGHT_MAX * 2, now + REPORT_MAX_AGE));
        assert_eq!(next.utilization, 2.0);
    }

    #[test]
    fn utilization_is_the_share_of_the_limit() {
        for (working, part) in [
            (0, 0.0),
            (CALLS_IN_FLIGHT_MAX / 4, 0.25),
            (CALLS_IN_FLIGHT_MAX, 1.0),
            (CALLS_IN_FLIGHT_MAX * 3, 3.0),
        ] {
            assert_eq!(share_of_limit(working), part);
        }
    }
}
