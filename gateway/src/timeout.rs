//! `Grpc-Timeout`: how long a client waits for its answer, told as gRPC tells it (gRPC over HTTP/2, "Requests"), and as
//! grpc-gateway takes it over HTTP. It lowers the gateway's own deadline, and never raises it.

use std::time::Duration;

use grpc_client::{Deadline, timeout};
use http::{HeaderMap, HeaderName};
use tokio::time::Instant;

use crate::problem::{Problem, Violation};

/// The header.
pub(crate) const GRPC_TIMEOUT: HeaderName = timeout::GRPC_TIMEOUT;

/// The schema's pattern for the header's value.
pub(crate) const PATTERN: &str = "^[0-9]{1,8}[HMSmun]$";

/// When a request with these headers must be answered that arrived at `arrived` and is given `most` at most.
pub(crate) fn deadline(headers: &HeaderMap, arrived: Instant, most: Duration) -> Deadline {
    let left = read(headers).ok().flatten().map_or(most, |asked| asked.min(most));
    Deadline(arrived + left)
}

/// What is wrong with the header of a request, if anything is.
pub(crate) fn violation(headers: &HeaderMap) -> Option<Violation> {
    let detail = read(headers).err()?;
    Some(Violation {
        field: "grpc_timeout".to_owned(),
        pointer: None,
        detail: detail.to_owned(),
        reason: None,
    })
}

/// Refuses a request whose deadline has passed before anything was done.
///
/// # Errors
///
/// The refusal, NOT_STARTED.
pub(crate) fn check(deadline: Deadline) -> Result<(), Problem> {
    if deadline.0 > Instant::now() { Ok(()) } else { Err(Problem::not_started()) }
}

/// The time that the header gives, or what is wrong with it.
fn read(headers: &HeaderMap) -> Result<Option<Duration>, &'static str> {
    let mut values = headers.get_all(&GRPC_TIMEOUT).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => timeout::parse(value).map(Some).ok_or(
            "the header Grpc-Timeout must be 1 to 8 digits and one of the units H, M, S, m, u and n, as in 500m",
        ),
        (Some(_), Some(_)) => Err("the header Grpc-Timeout must be given once"),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const MOST: Duration = Duration::from_secs(10);

    fn headers(values: &[&str]) -> HeaderMap {
        let header = |value: &&str| (GRPC_TIMEOUT, HeaderValue::from_str(value).unwrap());
        values.iter().map(header).collect()
    }

    fn left(values: &[&str]) -> Duration {
        let arrived = Instant::now();
        deadline(&headers(values), arrived, MOST).0 - arrived
    }

    #[test]
    fn the_nearer_of_the_two_deadlines_is_taken() {
        assert_eq!(left(&[]), MOST);
        assert_eq!(left(&["1500m"]), Duration::from_millis(1_500));
        assert_eq!(left(&["0n"]), Duration::ZERO);
        assert_eq!(left(&["11S"]), MOST);
        assert_eq!(left(&["99999999H"]), MOST);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_lowers_nothing() {
        for bad in ["", "1", "S", "-1S", "1.5S", "123456789m", "1s", "1 S", "soon"] {
            assert_eq!(
                violation(&headers(&[bad])).map(|v| v.field).as_deref(),
                Some("grpc_timeout"),
                "{bad}"
            );
            assert_eq!(left(&[bad]), MOST, "{bad}");
        }
        assert!(violation(&headers(&["1S", "1S"])).is_some_and(|v| v.detail.contains("once")));
        assert!(violation(&headers(&["1S"])).is_none() && violation(&headers(&[])).is_none());
    }

    #[test]
    fn what_has_passed_is_refused_as_never_begun() {
        let now = Instant::now();
        assert_eq!(check(Deadline(now)).unwrap_err().status(), http::StatusCode::SERVICE_UNAVAILABLE);
        assert!(check(Deadline(now + MOST)).is_ok());
    }

    #[test]
    fn the_pattern_of_the_document_says_the_same() {
        let schema = serde_json::json!({ "type": "string", "pattern": PATTERN });
        let validator = jsonschema::validator_for(&schema).unwrap();
        for value in
            ["1H", "2M", "3S", "4m", "5u", "6n", "0n", "99999999H", "", "1", "S", "-1S", "123456789m", "1s"]
        {
            assert_eq!(violation(&headers(&[value])).is_none(), validator.is_valid(&value.into()), "{value}");
        }
    }
}
