//! One bucket, by a clock that the test sets.

use governor::clock::FakeRelativeClock;

use super::*;

fn limiter(rate: &str) -> (RateLimiter<u8, FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    (RateLimiter::with("address", rate.parse().unwrap(), clock.clone(), 10), clock)
}

/// `RateLimit` of an answer, and `Retry-After` where the request is one too many.
fn told(decision: &RateLimitDecision) -> (String, Option<u64>) {
    let mut headers = HeaderMap::new();
    decision.apply_headers(&mut headers);
    let limit = headers[RATE_LIMIT].to_str().unwrap().to_owned();
    (limit, decision.is_over().then(|| decision.retry_after().as_secs()))
}

#[test]
fn a_burst_is_let_through_and_one_more_is_told_when_to_come_again() {
    let (limiter, clock) = limiter("3/60");
    for (limit, retry_after) in [
        ("\"address\";r=2;t=40", None),
        ("\"address\";r=1;t=20", None),
        ("\"address\";r=0;t=20", None),
        ("\"address\";r=0;t=20", Some(20)),
    ] {
        assert_eq!(told(&limiter.check(&1)), (limit.to_owned(), retry_after));
    }
    clock.advance(Duration::from_millis(19_001));
    assert_eq!(told(&limiter.check(&1)), ("\"address\";r=0;t=1".to_owned(), Some(1)));
    clock.advance(Duration::from_millis(999));
    assert_eq!(told(&limiter.check(&1)), ("\"address\";r=0;t=20".to_owned(), None));
    // Another's requests are another's.
    assert!(!limiter.check(&2).is_over());
    clock.advance(Duration::from_secs(3600));
    assert_eq!(told(&limiter.check(&1)).0, "\"address\";r=2;t=40");
}

#[test]
fn whoever_heeds_what_is_told_is_never_refused() {
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
fn many_a_second_are_told_a_whole_second() {
    let (limiter, _) = limiter("1000/1");
    let mut decision = limiter.check(&1);
    while !decision.is_over() {
        decision = limiter.check(&1);
    }
    assert_eq!(told(&decision), ("\"address\";r=0;t=1".to_owned(), Some(1)));
}

#[test]
fn two_limits_stand_in_one_field_in_the_order_in_which_they_are_asked() {
    let (address, _) = limiter("3/60");
    let subject = RateLimiter::new("subject", "10/1".parse().unwrap());
    let mut headers = HeaderMap::new();
    subject.check(&7).apply_headers(&mut headers);
    address.check(&1).apply_headers(&mut headers);
    assert_eq!(headers[RATE_LIMIT_POLICY], "\"address\";q=3;w=60, \"subject\";q=10;w=1");
    assert_eq!(headers[RATE_LIMIT], "\"address\";r=2;t=40, \"subject\";r=9;t=1");
}
