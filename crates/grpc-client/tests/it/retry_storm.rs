//! Retry storms: retry throttling (gRFC A6) bounds the load on a server that fails every call.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::MissedTickBehavior;
use tonic::{Response, Status};

use crate::{
    backend::{Backend, Handler, order},
    client::{call, channel_by},
};

const CALLS_PER_SECOND: u32 = 100;
/// Fifty failures use half of the tokens.
const CONFIG: &str = r#"{
    "methodConfig": [{"name": [{}], "retryPolicy": {
        "maxAttempts": 4, "initialBackoff": "0.05s", "maxBackoff": "1s", "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
    }}],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1}
}"#;
/// Time until the throttle stops retries, and earlier retries have ended.
const THROTTLED: Duration = Duration::from_millis(2500);
/// How long the healthy server is observed.
const RECOVERY: Duration = Duration::from_millis(3200);

/// Runs calls at a steady rate against a server that returns UNAVAILABLE to every call for `outage`, and to
/// none after that.
async fn run_outage(outage: Duration) {
    let (is_failing, attempts) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
    let backend = {
        let (is_failing, attempts) = (is_failing.clone(), attempts.clone());
        Backend::start(Handler::new(move |request| {
            attempts.lock().unwrap().push(Instant::now());
            let fails = is_failing.load(Ordering::Relaxed);
            async move {
                if fails {
                    Err(Status::unavailable(""))
                } else {
                    Ok(Response::new(order(request.get_ref().order_id)))
                }
            }
        }))
    };
    let channel = channel_by(CONFIG, &[backend.address]);
    let (started, mut calls, failed_late) = (Instant::now(), Vec::new(), Arc::new(AtomicUsize::new(0)));
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / CALLS_PER_SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while started.elapsed() < outage + RECOVERY {
        ticks.tick().await;
        let is_healthy = started.elapsed() >= outage;
        is_failing.store(!is_healthy, Ordering::Relaxed);
        calls.push(Instant::now());
        let (channel, failed_late) = (channel.clone(), failed_late.clone());
        tokio::spawn(async move {
            if call(&channel, 1).await.is_err() && is_healthy {
                failed_late.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let attempts = attempts.lock().unwrap().clone();
    let within = |times: &[Instant], from: Duration, to: Duration| {
        times.iter().filter(|time| (started + from..started + to).contains(*time)).count()
    };
    let throttled = (within(&attempts, THROTTLED, outage), within(&calls, THROTTLED, outage));
    assert!(throttled.1 > 0 && 10 * throttled.0 <= 13 * throttled.1, "attempts and calls: {throttled:?}");
    // Before that, calls were retried.
    let first = (within(&attempts, Duration::ZERO, THROTTLED), within(&calls, Duration::ZERO, THROTTLED));
    assert!(first.0 > first.1 + 20, "attempts and calls: {first:?}");
    let spike = (0..=20).map(|tenths| outage + Duration::from_millis(100) * tenths);
    let spike = spike.map(|from| within(&attempts, from, from + Duration::from_secs(1))).max().unwrap();
    assert!(spike <= 2 * usize::try_from(CALLS_PER_SECOND).unwrap(), "{spike} attempts in one second");
    assert_eq!(failed_late.load(Ordering::Relaxed), 0, "calls failed after the outage");
}

#[tokio::test]
async fn outage_gets_hardly_more_attempts_than_calls_and_no_spike_at_its_end() {
    run_outage(Duration::from_secs(5)).await;
}

#[tokio::test]
#[ignore = "takes 35 seconds"]
async fn outage_of_half_a_minute_gets_hardly_more_attempts_than_calls() {
    run_outage(Duration::from_secs(30)).await;
}
