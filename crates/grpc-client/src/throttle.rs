//! Retry throttling: no retries to a service that fails too often (gRFC A6, "Throttling Retry Attempts").

use std::sync::atomic::{AtomicI64, Ordering};

use crate::service_config::Throttling;

/// The token count of gRFC A6, in thousandths. A failure costs one token, a success returns `tokenRatio`.
/// Retries stop at half of `maxTokens`.
#[derive(Debug)]
pub(crate) struct Throttle {
    limits: Option<Throttling>,
    tokens: AtomicI64,
}

impl Throttle {
    pub(crate) fn new(limits: Option<Throttling>) -> Self {
        Self { limits, tokens: AtomicI64::new(limits.map_or(0, |limits| limits.tokens_max)) }
    }

    pub(crate) fn record_success(&self) {
        let Some(limits) = self.limits else { return };
        // Usually the count is full, and nothing is written.
        if self.tokens.load(Ordering::Relaxed) < limits.tokens_max {
            self.add(limits.token_ratio, limits.tokens_max);
        }
    }

    pub(crate) fn record_failure(&self) {
        if let Some(limits) = self.limits {
            self.add(-1000, limits.tokens_max);
        }
    }

    pub(crate) fn allows_retry(&self) -> bool {
        self.limits.is_none_or(|limits| self.tokens.load(Ordering::Relaxed) > limits.tokens_max / 2)
    }

    /// Spends a token for a retry. Returns whether the retry is allowed; costs nothing if retries had stopped
    /// before.
    pub(crate) fn try_spend(&self) -> bool {
        self.allows_retry() && {
            self.record_failure();
            self.allows_retry()
        }
    }

    fn add(&self, tokens: i64, max: i64) {
        let updated = |now: i64| Some(now.saturating_add(tokens).clamp(0, max));
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
    fn no_throttling_without_configuration() {
        let throttle = Throttle::new(None);
        throttle.record_failure();
        assert!(throttle.allows_retry());
    }
}
