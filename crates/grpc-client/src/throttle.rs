//! Retry throttling: no retries to a service that fails too often (gRFC A6, "Throttling Retry Attempts").
//!
//! Without `retryThrottling` the retries of a policy are not throttled (gRFC A6). Transparent retries of
//! requests that reached a server always are, by [`THROTTLING_DEFAULT`] where the service config has none.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::service_config::Throttling;

/// The throttling of transparent retries where the service config has no `retryThrottling`: 100 tokens, and
/// 0.1 for each success.
const THROTTLING_DEFAULT: Throttling = Throttling { tokens_max: 100_000, token_ratio: 100 };

/// The token count of gRFC A6, in thousandths. A failure costs one token, a success returns `tokenRatio`.
/// Retries stop at half of `maxTokens`.
#[derive(Debug)]
pub(crate) struct Throttle {
    limits: Throttling,
    /// Whether the service config throttles the retries of a policy.
    limits_policy: bool,
    tokens: AtomicI64,
}

impl Throttle {
    pub(crate) fn new(configured: Option<Throttling>) -> Self {
        let limits = configured.unwrap_or(THROTTLING_DEFAULT);
        let tokens = AtomicI64::new(limits.tokens_max);
        Self { limits, limits_policy: configured.is_some(), tokens }
    }

    pub(crate) fn record_success(&self) {
        // Usually the count is full, and nothing is written.
        if self.tokens.load(Ordering::Relaxed) < self.limits.tokens_max {
            self.add(self.limits.token_ratio);
        }
    }

    pub(crate) fn record_failure(&self) {
        self.add(-1000);
    }

    /// Whether a retry by a policy is allowed.
    pub(crate) fn allows_retry(&self) -> bool {
        !self.limits_policy || self.has_tokens()
    }

    /// Spends a token for a transparent retry. Returns whether the retry is allowed; costs nothing if retries
    /// had stopped before.
    pub(crate) fn try_spend(&self) -> bool {
        self.has_tokens() && {
            self.record_failure();
            self.has_tokens()
        }
    }

    fn has_tokens(&self) -> bool {
        self.tokens.load(Ordering::Relaxed) > self.limits.tokens_max / 2
    }

    fn add(&self, tokens: i64) {
        let updated = |now: i64| Some(now.saturating_add(tokens).clamp(0, self.limits.tokens_max));
        // Always `Ok`: the closure never returns `None`.
        let _ = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, updated);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_stop_at_half_of_the_tokens_until_successes_return_them() {
        let throttle = Throttle::new(Some(Throttling { tokens_max: 10_000, token_ratio: 500 }));
        for _ in 0..5 {
            assert!(throttle.allows_retry());
            throttle.record_failure();
        }
        assert!(!throttle.allows_retry());
        throttle.record_success();
        assert!(throttle.allows_retry());
    }

    #[test]
    fn token_count_stays_between_zero_and_maximum() {
        let throttle = Throttle::new(Some(Throttling { tokens_max: 2_000, token_ratio: 1_500 }));
        for _ in 0..10 {
            throttle.record_failure();
        }
        throttle.record_success();
        assert!(throttle.allows_retry());
        for _ in 0..10 {
            throttle.record_success();
        }
        throttle.record_failure();
        assert!(!throttle.allows_retry());
    }

    #[test]
    fn without_configuration_only_transparent_retries_are_throttled() {
        let throttle = Throttle::new(None);
        assert_eq!((0..200).filter(|_| throttle.try_spend()).count(), 49);
        assert!(throttle.allows_retry());
        for _ in 0..20 {
            throttle.record_success();
        }
        assert_eq!((0..200).filter(|_| throttle.try_spend()).count(), 1);
    }
}
