//! When retries stop: a server that fails too often is not helped by more calls (gRFC A6, "Throttling Retry Attempts").

use std::sync::atomic::{AtomicI64, Ordering};

use crate::service_config::Throttling;

/// Tokens, in thousandths: a failure costs one, a success gives a part of one back, and at half of them or fewer nothing
/// is tried again.
#[derive(Debug)]
pub(crate) struct Throttle {
    limits: Option<Throttling>,
    tokens: AtomicI64,
}

impl Throttle {
    pub(crate) fn new(limits: Option<Throttling>) -> Self {
        Self { limits, tokens: AtomicI64::new(limits.map_or(0, |limits| limits.tokens_max)) }
    }

    pub(crate) fn succeeded(&self) {
        let Some(limits) = self.limits else { return };
        // All is well most of the time: nothing is written then.
        if self.tokens.load(Ordering::Relaxed) < limits.tokens_max {
            self.add(limits.token_ratio, limits.tokens_max);
        }
    }

    pub(crate) fn failed(&self) {
        if let Some(limits) = self.limits {
            self.add(-1000, limits.tokens_max);
        }
    }

    pub(crate) fn allows(&self) -> bool {
        self.limits.is_none_or(|limits| self.tokens.load(Ordering::Relaxed) > limits.tokens_max / 2)
    }

    /// A failure that would be made up for by another attempt: whether that may be made. Costs nothing where it may not.
    pub(crate) fn spends(&self) -> bool {
        self.allows() && {
            self.failed();
            self.allows()
        }
    }

    fn add(&self, tokens: i64, max: i64) {
        let changed = |now: i64| Some(now.saturating_add(tokens).clamp(0, max));
        // The closure never says no.
        let _ = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_tokens_spent_ends_retries_until_successes_bring_them_back() {
        let throttle = Throttle::new(Some(Throttling { tokens_max: 10_000, token_ratio: 500 }));
        for _ in 0..5 {
            assert!(throttle.allows());
            throttle.failed();
        }
        assert!(!throttle.allows());
        throttle.succeeded();
        assert!(throttle.allows());
    }

    #[test]
    fn tokens_are_never_fewer_than_none_nor_more_than_all() {
        let throttle = Throttle::new(Some(Throttling { tokens_max: 2_000, token_ratio: 1_500 }));
        for _ in 0..10 {
            throttle.failed();
        }
        throttle.succeeded();
        assert!(throttle.allows());
        for _ in 0..10 {
            throttle.succeeded();
        }
        throttle.failed();
        assert!(!throttle.allows());
    }

    #[test]
    fn without_limits_everything_is_allowed() {
        let throttle = Throttle::new(None);
        throttle.failed();
        assert!(throttle.allows());
    }
}
