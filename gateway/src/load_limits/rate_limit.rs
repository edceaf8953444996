//! One rate limit: a token bucket for each key (GCRA, by `governor`), and what a client is told of its own.
//!
//! The header fields are those of draft-ietf-httpapi-ratelimit-headers-11. Of a bucket with `r` tokens, "the effective
//! window" `t` is how long as many take to come back, so that whoever spends `r` requests over `t` seconds asks no
//! faster than the policy allows (section 8.5); of an empty one it is the time to the next token, which is
//! `Retry-After` too (section 6).

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

/// So many requests at once, and as many again in each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    requests: NonZeroU32,
    seconds: u32,
}

/// A text that is no [`Rate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not requests/seconds")]
pub(super) struct RateError;

impl Rate {
    pub(super) const ACCEPTED: &'static str =
        "requests/seconds, 100/60 for instance; 1 to 1000000 requests in 1 to 86400 seconds";

    /// `None` never: the period is at least 1 s / 1,000,000.
    fn quota(self) -> Option<Quota> {
        let period = Duration::from_secs(self.seconds.into()) / self.requests.get();
        Quota::with_period(period).map(|quota| quota.allow_burst(self.requests))
    }

    /// Whole seconds, rounded up, in which `tokens` come back.
    fn seconds_of(self, tokens: u32) -> u64 {
        (u64::from(tokens) * u64::from(self.seconds)).div_ceil(self.requests.get().into())
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (requests, seconds) = text.split_once('/').ok_or(RateError)?;
        // The parser of numbers takes a sign.
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

/// A rate limit over keys.
pub(super) struct RateLimiter<K: Hash + Eq + Clone, C: Clock = DefaultClock> {
    name: &'static str,
    rate: Rate,
    policy: HeaderValue,
    clock: C,
    /// `None` never: see [`Rate::quota`].
    buckets: Option<governor::RateLimiter<K, BucketStore<K>, C, StateInformationMiddleware>>,
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
            // A token and two numbers are a header's value always.
            policy: policy.unwrap_or_else(|_| HeaderValue::from_static("")),
            buckets: rate.quota().map(|quota| governor::RateLimiter::new(quota, store, clock.clone())),
            clock,
        }
    }

    /// Counts one request of `key`.
    pub(super) fn check(&self, key: &K) -> RateLimitDecision {
        let checked = self.buckets.as_ref().map(|buckets| buckets.check_key(key));
        let (left, wait) = match checked {
            None => (self.rate.requests.get(), None),
            Some(Ok(state)) => (state.remaining_burst_capacity(), None),
            Some(Err(until)) => (0, Some(until.wait_time_from(self.clock.now()))),
        };
        RateLimitDecision { name: self.name, rate: self.rate, policy: self.policy.clone(), left, wait }
    }
}

/// What a rate limit says of one request.
#[derive(Debug, Clone)]
pub(super) struct RateLimitDecision {
    name: &'static str,
    rate: Rate,
    policy: HeaderValue,
    left: u32,
    /// How long until the next would be let through, where this one is not.
    wait: Option<Duration>,
}

impl RateLimitDecision {
    /// The limit's name.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// How much the limit allows.
    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// Whether the request is one too many.
    pub(super) fn is_over(&self) -> bool {
        self.wait.is_some()
    }

    /// Whole seconds until a request may be let through.
    pub(super) fn retry_after(&self) -> Duration {
        let wait = self.wait.unwrap_or_default();
        Duration::from_secs((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
    }

    /// Adds what the limit is, and how much of it is left, in front of what is there: limits that come earlier are
    /// written later.
    pub(super) fn apply_headers(&self, headers: &mut HeaderMap) {
        let window = match self.wait {
            Some(_) => self.retry_after().as_secs(),
            None => self.rate.seconds_of(self.left.max(1)),
        };
        let limit = format!("\"{}\";r={};t={window}", self.name, self.left);
        prepend(headers, RATE_LIMIT_POLICY, Some(self.policy.clone()));
        prepend(headers, RATE_LIMIT, HeaderValue::try_from(limit).ok());
    }
}

/// One field line, with what is there after `value`: clients are known that read the first line alone.
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
