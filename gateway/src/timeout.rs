//! The request header `Grpc-Timeout`: how long the client waits for its response, in the format of gRPC over
//! HTTP/2 ("Requests"), which grpc-gateway accepts over HTTP too. It can lower the gateway's own deadline,
//! not raise it.

use std::time::Duration;

use grpc_client::{Deadline, timeout};
use http::{HeaderMap, HeaderName};
use tokio::time::Instant;

use crate::problem::{Problem, Violation};

pub(crate) const GRPC_TIMEOUT: HeaderName = timeout::GRPC_TIMEOUT;

/// JSON schema pattern of the header's value.
pub(crate) const PATTERN: &str = "^[0-9]{1,8}[HMSmun]$";

/// The deadline of a request: `max` after its arrival, or earlier where `Grpc-Timeout` is valid and shorter.
pub(crate) fn deadline(headers: &HeaderMap, arrived: Instant, max: Duration) -> Deadline {
    let timeout = parse(headers).ok().flatten().map_or(max, |timeout| timeout.min(max));
    Deadline(arrived + timeout)
}

/// The violation of a request with an invalid header.
pub(crate) fn violation(headers: &HeaderMap) -> Option<Violation> {
    let detail = parse(headers).err()?;
    Some(Violation::new("grpc_timeout", None, detail))
}

/// Rejects a request whose deadline has passed before the call of Order.
///
/// # Errors
///
/// 503 NOT_STARTED.
pub(crate) fn check(deadline: Deadline) -> Result<(), Problem> {
    if deadline.0 > Instant::now() { Ok(()) } else { Err(Problem::not_started()) }
}

/// The header's value; `None` without the header.
fn parse(headers: &HeaderMap) -> Result<Option<Duration>, &'static str> {
    let mut values = headers.get_all(&GRPC_TIMEOUT).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => timeout::parse(value).map(Some).ok_or(
            "the header Grpc-Timeout must be 1 to 8 digits and one of the units H, M, S, m, u and n, as in \
             500m",
        ),
        (Some(_), Some(_)) => Err("the header Grpc-Timeout must be given once"),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const MAX: Duration = Duration::from_secs(10);

    fn headers(values: &[&str]) -> HeaderMap {
        let header = |value: &&str| (GRPC_TIMEOUT, HeaderValue::from_str(value).unwrap());
        values.iter().map(header).collect()
    }

    fn timeout_of(values: &[&str]) -> Duration {
        let arrived = Instant::now();
        deadline(&headers(values), arrived, MAX).0 - arrived
    }

    #[test]
    fn the_earlier_deadline_applies() {
        assert_eq!(timeout_of(&[]), MAX);
        assert_eq!(timeout_of(&["1500m"]), Duration::from_millis(1_500));
        assert_eq!(timeout_of(&["0n"]), Duration::ZERO);
        assert_eq!(timeout_of(&["11S"]), MAX);
        assert_eq!(timeout_of(&["99999999H"]), MAX);
    }

    #[test]
    fn an_invalid_timeout_is_a_violation_and_changes_no_deadline() {
        for bad in ["", "1", "S", "-1S", "1.5S", "123456789m", "1s", "1 S", "soon"] {
            assert_eq!(
                violation(&headers(&[bad])).map(|v| v.field).as_deref(),
                Some("grpc_timeout"),
                "{bad}"
            );
            assert_eq!(timeout_of(&[bad]), MAX, "{bad}");
        }
        assert!(violation(&headers(&["1S", "1S"])).is_some_and(|v| v.detail.contains("once")));
        assert!(violation(&headers(&["1S"])).is_none() && violation(&headers(&[])).is_none());
    }

    #[test]
    fn a_passed_deadline_is_not_started() {
        let now = Instant::now();
        assert_eq!(check(Deadline(now)).unwrap_err().status(), http::StatusCode::SERVICE_UNAVAILABLE);
        assert!(check(Deadline(now + MAX)).is_ok());
    }

    #[test]
    fn the_schema_pattern_accepts_the_same_values() {
        let schema = serde_json::json!({ "type": "string", "pattern": PATTERN });
        let validator = jsonschema::validator_for(&schema).unwrap();
        for value in
            ["1H", "2M", "3S", "4m", "5u", "6n", "0n", "99999999H", "", "1", "S", "-1S", "123456789m", "1s"]
        {
            assert_eq!(violation(&headers(&[value])).is_none(), validator.is_valid(&value.into()), "{value}");
        }
    }
}
