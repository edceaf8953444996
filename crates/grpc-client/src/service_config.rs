//! The gRPC service config: how calls are balanced, retried and bounded, in gRPC's own JSON.
//!
//! The format is `grpc.service_config.ServiceConfig` in its JSON form, as grpc-go reads it (gRFC A2, A6, A21).

use std::{collections::HashMap, str::FromStr, time::Duration};

use tonic::Code;

mod read;

pub use read::code_name;

/// More attempts than these are never made of one call (gRFC A6).
pub const ATTEMPTS_MAX: u32 = 5;

/// A service config that was read and found usable.
///
/// What is read: `loadBalancingConfig` (the first policy of the list that is known here wins: `pick_first`,
/// `round_robin`, `least_request_experimental`, `least_loaded`), the older `loadBalancingPolicy`, `retryThrottling`,
/// `healthCheckConfig.serviceName`, and `methodConfig` with `name`, `timeout`, `waitForReady`,
/// `maxRequestMessageBytes`, `maxResponseMessageBytes` and `retryPolicy` (with `perAttemptRecvTimeout`).
/// Members that are not known are ignored, as gRPC does; `hedgingPolicy` is one of them.
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

/// A text that is no [`ServiceConfig`], with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct ServiceConfigError(pub(crate) Vec<String>);

/// How an endpoint is chosen for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The first that works, for as long as it works.
    PickFirst { shuffle: bool },
    /// Each in turn.
    RoundRobin,
    /// Of a few drawn at random, the one with the fewest calls in flight (gRFC A48), multiplied by what the endpoints
    /// report of their load where `reports` says so.
    LeastLoaded { choices: usize, reports: bool },
}

impl Default for Policy {
    /// gRPC's.
    fn default() -> Self {
        Self::PickFirst { shuffle: false }
    }
}

/// What holds for the calls of a method.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct MethodConfig {
    pub(crate) timeout: Option<Duration>,
    pub(crate) wait_for_ready: bool,
    pub(crate) request_bytes_max: Option<usize>,
    pub(crate) response_bytes_max: Option<usize>,
    pub(crate) retry: Option<RetryPolicy>,
}

/// gRFC A6: which failures of a call that may have run are tried again, and when.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RetryPolicy {
    pub(crate) attempts_max: u32,
    pub(crate) backoff: Backoff,
    pub(crate) codes: Vec<Code>,
    pub(crate) attempt_timeout: Option<Duration>,
}

/// Waits that grow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Backoff {
    pub(crate) initial: Duration,
    pub(crate) max: Duration,
    /// At most 1000; at most 1 means that waits do not grow.
    pub(crate) multiplier: f64,
}

/// gRFC A6: when a server that fails too often is tried again no more. In thousandths of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Throttling {
    pub(crate) tokens_max: i64,
    pub(crate) token_ratio: i64,
}

impl ServiceConfig {
    /// What holds for calls of `path` (`/service/method`): its own config, its service's, or that of all.
    pub(crate) fn method(&self, path: &str) -> Option<&MethodConfig> {
        if self.methods.is_empty() {
            return None;
        }
        let named = self.methods.get(path);
        named.or_else(|| self.methods.get(&path[..=path.rfind('/')?])).or_else(|| self.methods.get(""))
    }
}

impl FromStr for ServiceConfig {
    type Err = ServiceConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read::service_config(text).map_err(ServiceConfigError)
    }
}

impl Backoff {
    /// How long to wait before the `turn`-th try again, counted from 1: the exact wait, and a fifth more or less
    /// (gRFC A6).
    pub(crate) fn wait(&self, turn: u32) -> Duration {
        let mut wait = self.initial.min(self.max);
        for _ in 1..turn {
            if wait >= self.max || self.multiplier <= 1.0 {
                break;
            }
            wait = wait.mul_f64(self.multiplier).min(self.max);
        }
        // Many callers were refused at one moment, and must not come back at one.
        wait / 1000 * fastrand::u32(800..=1200)
    }
}

#[cfg(test)]
mod tests;
