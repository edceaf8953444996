//! The gRPC service config: balancing, retries, timeouts and size limits.
//!
//! The format is the JSON form of `grpc.service_config.ServiceConfig`, as grpc-go parses it (gRFC A2, A6,
//! A21).

use std::{collections::HashMap, str::FromStr, time::Duration};

use tonic::Code;

mod parse;

/// Maximum attempts of one call by a retry policy (gRFC A6).
pub const ATTEMPTS_MAX: u32 = 5;

/// A valid service config (gRFC A2, A6, A21).
///
/// Supported fields: `loadBalancingConfig` (the first supported policy of the list is used: `pick_first`,
/// `round_robin`, `least_request_experimental`, `least_loaded`), the deprecated `loadBalancingPolicy`,
/// `retryThrottling`, `healthCheckConfig.serviceName`, and `methodConfig` with `name`, `timeout`,
/// `waitForReady`, `maxRequestMessageBytes`, `maxResponseMessageBytes` and `retryPolicy` (with
/// `perAttemptRecvTimeout`). Other fields are ignored (gRFC A21), for instance `hedgingPolicy`.
///
/// `retryThrottling` limits the retries of a policy, and transparent retries of requests that reached a
/// server. Without it the former are unlimited (gRFC A6), and the latter have 100 tokens and the ratio 0.1.
///
/// ```
/// let config: grpc_client::ServiceConfig = r#"{
///     "loadBalancingConfig": [{"round_robin": {}}],
///     "methodConfig": [{
///         "name": [{"service": "helloworld.Greeter"}],
///         "timeout": "1.5s",
///         "retryPolicy": {
///             "maxAttempts": 3, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
///             "retryableStatusCodes": ["UNAVAILABLE"]
///         }
///     }],
///     "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}
/// }"#.parse()?;
/// # Ok::<(), grpc_client::ServiceConfigError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServiceConfig {
    pub(crate) policy: Policy,
    pub(crate) methods: HashMap<String, MethodConfig>,
    pub(crate) throttling: Option<Throttling>,
    pub(crate) health_service: String,
}

/// All errors of a text that is not a valid [`ServiceConfig`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct ServiceConfigError(pub(crate) Vec<String>);

/// The load balancing policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The first endpoint that works, for as long as it works.
    PickFirst { shuffle: bool },
    /// Each endpoint in turn.
    RoundRobin,
    /// The endpoint with the fewest calls in flight among `choices` random ones (gRFC A48). With
    /// `uses_reports`, the calls are multiplied by the load that the endpoint reports (gRFC A51).
    LeastLoaded { choices: usize, uses_reports: bool },
}

impl Default for Policy {
    /// gRPC's default.
    fn default() -> Self {
        Self::PickFirst { shuffle: false }
    }
}

/// The configuration of a method.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct MethodConfig {
    pub(crate) timeout: Option<Duration>,
    pub(crate) wait_for_ready: bool,
    pub(crate) request_bytes_max: Option<usize>,
    pub(crate) response_bytes_max: Option<usize>,
    pub(crate) retry: Option<RetryPolicy>,
}

/// gRFC A6: which failures of a call that may have run are retried, and when.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RetryPolicy {
    pub(crate) attempts_max: u32,
    pub(crate) backoff: Backoff,
    pub(crate) codes: Vec<Code>,
    pub(crate) attempt_timeout: Option<Duration>,
}

/// Exponential backoff.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Backoff {
    pub(crate) initial: Duration,
    pub(crate) max: Duration,
    /// Above 0, at most 1000. At 1 or below the waits are constant.
    pub(crate) multiplier: f64,
}

/// Retry throttling (gRFC A6), in thousandths of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Throttling {
    pub(crate) tokens_max: i64,
    pub(crate) token_ratio: i64,
}

impl ServiceConfig {
    /// The configuration of the method at `path` (`/service/method`): its own, its service's, or the default
    /// for all.
    pub(crate) fn method(&self, path: &str) -> Option<&MethodConfig> {
        if self.methods.is_empty() {
            return None;
        }
        let method = self.methods.get(path);
        method.or_else(|| self.methods.get(&path[..=path.rfind('/')?])).or_else(|| self.methods.get(""))
    }
}

impl FromStr for ServiceConfig {
    type Err = ServiceConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse::service_config(text).map_err(ServiceConfigError)
    }
}

impl Backoff {
    /// The wait before retry number `retry`, counted from 1, with a jitter of ±20 % (gRFC A6).
    pub(crate) fn wait(&self, retry: u32) -> Duration {
        let mut wait = self.initial.min(self.max);
        for _ in 1..retry {
            if wait >= self.max || self.multiplier <= 1.0 {
                break;
            }
            wait = wait.mul_f64(self.multiplier).min(self.max);
        }
        // Jitter: calls that failed at the same moment must not all be retried at the same moment.
        wait / 1000 * fastrand::u32(800..=1200)
    }
}

#[cfg(test)]
mod tests;
