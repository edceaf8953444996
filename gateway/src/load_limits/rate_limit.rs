//! One rate limit: a token bucket per key (GCRA, by `governor`), and its response headers.
//!
//! The headers are those of draft-ietf-httpapi-ratelimit-headers-11. The "effective window" `t` of a bucket
//! with `r` tokens is the time in which `r` tokens are refilled: a client that spreads `r` requests over `t`
//! seconds stays within the policy (section 8.5). Of an empty bucket it is the time to the next token, which
//! is `Retry-After` too (section 6).

use std::{fmt, hash::Hash, num::NonZeroU32, str::FromStr, time::Duration};

use governor::{
    Quota,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::bucket_store::BucketStore;
use crate::{
    header_names::{RATE_LIMIT, RATE_LIMIT_POLICY},
    limits::{RATE_KEYS_MAX, RATE_REQUESTS, RATE_SECONDS},
};

/// A burst of `requests`, refilled evenly over `seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    requests: NonZeroU32,
    seconds: u32,
}

/// A text that is not a [`Rate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not requests/seconds")]
pub(super) struct RateError;

impl Rate {
    pub(super) const ACCEPTED: &'static str =
        "requests/seconds, 100/60 for instance; 1 to 1000000 requests in 1 to 86400 seconds";

    fn quota(self) -> Quota {
        let period = Duration::from_secs(self.seconds.into()) / self.requests.get();
        // Never zero: the period is at least 1 s / 1,000,000.
        let quota = Quota::with_period(period).unwrap_or(Quota::per_second(self.requests));
        quota.allow_burst(self.requests)
    }

    /// Whole seconds, rounded up, in which `tokens` are refilled.
    fn refill_seconds(self, tokens: u32) -> u64 {
        (u64::from(tokens) * u64::from(self.seconds)).div_ceil(self.requests.get().into())
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (requests, seconds) = text.split_once('/').ok_or(RateError)?;
        // The standard library accepts a sign.
        let number = |text: &str| text.parse::<u32>().ok().filter(|_| !text.starts_with('+'));
        let requests = number(requests).filter(|n| RATE_REQUESTS.contains(n)).and_then(NonZeroU32::new);
        let seconds = number(seconds).filter(|n| RATE_SECONDS.contains(n));
        requests.zip(seconds).map(|(requests, seconds)| Self { requests, seconds }).ok_or(RateError)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} s", self.requests, self.seconds)
    }
}

/// A rate limit with one bucket per key.
pub(super) struct RateLimiter<K: Hash + Eq + Clone, C: Clock = DefaultClock> {
    name: &'static str,
    rate: Rate,
    policy: HeaderValue,
    clock: C,
    buckets: governor::RateLimiter<K, BucketStore<K>, C, StateInformationMiddleware>,
}

impl<K: Hash + Eq + Clone> RateLimiter<K> {
    pub(super) fn new(name: &'static str, rate: Rate) -> Self {
        Self::with(name, rate, DefaultClock::default(), RATE_KEYS_MAX)
    }
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> RateLimiter<K, C> {
    fn with(name: &'static str, rate: Rate, clock: C, keys_max: usize) -> Self {
        let policy = HeaderValue::try_from(format!("\"{name}\";q={};w={}", rate.requests, rate.seconds));
        let store = BucketStore::new(keys_max, Duration::from_secs(rate.seconds.into()));
        Self {
            name,
            rate,
            // A name and two numbers are always a valid header value.
            policy: policy.unwrap_or_else(|_| HeaderValue::from_static("")),
            buckets: governor::RateLimiter::new(rate.quota(), store, clock.clone()),
            clock,
        }
    }

    /// Counts a request of `key`.
    pub(super) fn check(&self, key: &K) -> RateLimitDecision {
        let (remaining, wait) = match self.buckets.check_key(key) {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(until) => (0, Some(until.wait_time_from(self.clock.now()))),
        };
        RateLimitDecision { name: self.name, rate: self.rate, policy: self.policy.clone(), remaining, wait }
    }
}

/// The decision of a rate limit about one request.
#[derive(Debug, Clone)]
pub(super) struct RateLimitDecision {
    /// The limit's name.
    pub(super) name: &'static str,
    pub(super) rate: Rate,
    policy: HeaderValue,
    remaining: u32,
    /// Time to the next token, where the bucket is empty.
    wait: Option<Duration>,
}

impl RateLimitDecision {
    /// Whether the request exceeds the limit.
    pub(super) fn is_over(&self) -> bool {
        self.wait.is_some()
    }

    /// Whole seconds to the next token, at least one.
    pub(super) fn retry_after(&self) -> Duration {
        let wait = self.wait.unwrap_or_default();
        Duration::from_secs((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
    }

    /// Adds the limit and what remains of it in front of existing values: responses pass the limits in
    /// reverse order.
    pub(super) fn apply_headers(&self, headers: &mut HeaderMap) {
        let window = match self.wait {
            Some(_) => self.retry_after().as_secs(),
            None => self.rate.refill_seconds(self.remaining.max(1)),
        };
        let limit = format!("\"{}\";r={};t={window}", self.name, self.remaining);
        prepend(headers, RATE_LIMIT_POLICY, Some(self.policy.clone()));
        prepend(headers, RATE_LIMIT, HeaderValue::try_from(limit).ok());
    }
}

/// Inserts `value` before the existing one, in a single field line: some clients read only the first line.
fn prepend(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    let Some(value) = value else { return };
    let value = match headers.get(&name) {
        None => Ok(value),
        Some(rest) => HeaderValue::from_bytes(&[value.as_bytes(), b", ", rest.as_bytes()].concat()),
    };
    if let Ok(value) = value {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
