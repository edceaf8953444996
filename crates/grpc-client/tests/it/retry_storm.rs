//! A retry storm: a backend that fails everything is not helped by more calls.

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
/// Fifty failures spend half of the tokens.
const CONFIG: &str = r#"{
    "methodConfig": [{"name": [{}], "retryPolicy": {
        "maxAttempts": 4, "initialBackoff": "0.05s", "maxBackoff": "1s", "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
    }}],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1}
}"#;
/// By when the throttle is on, and no attempt is under way that was allowed before.
const THROTTLED: Duration = Duration::from_millis(2500);
const CALM: Duration = Duration::from_millis(3200);

/// Runs calls at a steady rate against a backend that answers UNAVAILABLE to everything for so long, and then to nothing.
async fn weather(ill_for: Duration) {
    let (ill, attempts) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
    let backend = {
        let (ill, attempts) = (ill.clone(), attempts.clone());
        Backend::start(Handler::new(move |request| {
            attempts.lock().unwrap().push(Instant::now());
            let ill = ill.load(Ordering::Relaxed);
            async move {
                if ill {
                    Err(Status::unavailable(""))
                } else {
                    Ok(Response::new(order(request.get_ref().order_id)))
                }
            }
        }))
    };
    let channel = channel_by(CONFIG, &[backend.address]);
    let (began, mut calls, failed_late) = (Instant::now(), Vec::new(), Arc::new(AtomicUsize::new(0)));
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / CALLS_PER_SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while began.elapsed() < ill_for + CALM {
        ticks.tick().await;
        let well = began.elapsed() >= ill_for;
        ill.store(!well, Ordering::Relaxed);
        calls.push(Instant::now());
        let (channel, failed_late) = (channel.clone(), failed_late.clone());
        tokio::spawn(async move {
            if call(&channel, 1).await.is_err() && well {
                failed_late.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let attempts = attempts.lock().unwrap();
    let within = |times: &[Instant], from: Duration, to: Duration| {
        times.iter().filter(|time| (began + from..began + to).contains(time)).count()
    };
    let storm = (within(&attempts, THROTTLED, ill_for), within(&calls, THROTTLED, ill_for));
    assert!(storm.1 > 0 && 10 * storm.0 <= 13 * storm.1, "attempts and calls: {storm:?}");
    // Before that there was something to be held back.
    let first = (within(&attempts, Duration::ZERO, THROTTLED), within(&calls, Duration::ZERO, THROTTLED));
    assert!(first.0 > first.1 + 20, "attempts and calls: {first:?}");
    let spike = (0..=20).map(|tenths| ill_for + Duration::from_millis(100) * tenths);
    let spike = spike.map(|from| within(&attempts, from, from + Duration::from_secs(1))).max().unwrap();
    assert!(spike <= 2 * usize::try_from(CALLS_PER_SECOND).unwrap(), "{spike} attempts in one second");
    assert_eq!(failed_late.load(Ordering::Relaxed), 0, "calls failed after the backend was well");
}

#[tokio::test]
async fn a_backend_that_is_ill_gets_hardly_more_attempts_than_calls_and_no_spike_when_it_is_well() {
    weather(Duration::from_secs(5)).await;
}

#[tokio::test]
#[ignore = "takes 35 seconds"]
async fn a_backend_that_is_ill_for_half_a_minute_gets_hardly_more_attempts_than_calls() {
    weather(Duration::from_secs(30)).await;
}
