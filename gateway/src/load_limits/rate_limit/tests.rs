//! Rate limits with a fake clock.

use governor::clock::FakeRelativeClock;

use super::*;

fn limiter(rate: &str) -> (RateLimiter<u8, FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    (RateLimiter::with("address", rate.parse().unwrap(), clock.clone(), 10), clock)
}

/// `RateLimit` of the response, and `Retry-After` where the request exceeds the limit.
fn headers_of(decision: &RateLimitDecision) -> (String, Option<u64>) {
    let mut headers = HeaderMap::new();
    decision.apply_headers(&mut headers);
    let limit = headers[RATE_LIMIT].to_str().unwrap().to_owned();
    (limit, decision.is_over().then(|| decision.retry_after().as_secs()))
}

#[test]
fn a_burst_passes_and_a_further_request_gets_retry_after() {
    let (limiter, clock) = limiter("3/60");
    for (limit, retry_after) in [
        ("\"address\";r=2;t=40", None),
        ("\"address\";r=1;t=20", None),
        ("\"address\";r=0;t=20", None),
        ("\"address\";r=0;t=20", Some(20)),
    ] {
        assert_eq!(headers_of(&limiter.check(&1)), (limit.to_owned(), retry_after));
    }
    clock.advance(Duration::from_millis(19_001));
    assert_eq!(headers_of(&limiter.check(&1)), ("\"address\";r=0;t=1".to_owned(), Some(1)));
    clock.advance(Duration::from_millis(999));
    assert_eq!(headers_of(&limiter.check(&1)), ("\"address\";r=0;t=20".to_owned(), None));
    // Another key has its own bucket.
    assert!(!limiter.check(&2).is_over());
    clock.advance(Duration::from_secs(3600));
    assert_eq!(headers_of(&limiter.check(&1)).0, "\"address\";r=2;t=40");
}

#[test]
fn a_client_that_waits_for_retry_after_is_never_rejected() {
    let (limiter, clock) = limiter("7/3");
    for _ in 0..100 {
        let mut decision = limiter.check(&1);
        while !decision.is_over() {
            decision = limiter.check(&1);
        }
        clock.advance(decision.retry_after());
        assert!(!limiter.check(&1).is_over());
    }
}

#[test]
fn retry_after_is_at_least_one_second() {
    let (limiter, _) = limiter("1000/1");
    let mut decision = limiter.check(&1);
    while !decision.is_over() {
        decision = limiter.check(&1);
    }
    assert_eq!(headers_of(&decision), ("\"address\";r=0;t=1".to_owned(), Some(1)));
}

#[test]
fn two_limits_share_a_field_line_in_the_order_of_their_checks() {
    let (address, _) = limiter("3/60");
    let subject = RateLimiter::new("subject", "10/1".parse().unwrap());
    let mut headers = HeaderMap::new();
    subject.check(&7).apply_headers(&mut headers);
    address.check(&1).apply_headers(&mut headers);
    assert_eq!(headers[RATE_LIMIT_POLICY], "\"address\";q=3;w=60, \"subject\";q=10;w=1");
    assert_eq!(headers[RATE_LIMIT], "\"address\";r=2;t=40, \"subject\";r=9;t=1");
}
