//! A call ends by its caller's deadline, and is not begun where too little is left of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use service_kit::{
    grpc::{Deadline, TIME_LEFT_MIN},
    not_started::is_not_started,
};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;

use crate::{
    serving::{Handler, Serving, eventually, order},
    wire::Wire,
};

/// Tells the test that it was dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A handler that never ends, and how often it was entered and dropped.
fn endless() -> (Handler, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (entered, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let handler = {
        let (entered, dropped) = (entered.clone(), dropped.clone());
        Handler::new(move |_| {
            entered.fetch_add(1, Ordering::Relaxed);
            let dropped = Dropped(dropped.clone());
            async move {
                let _dropped = dropped;
                std::future::pending().await
            }
        })
    };
    (handler, entered, dropped)
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_and_is_counted() {
    let (handler, entered, dropped) = endless();
    let serving = Serving::start(handler).await;
    let wire = Wire::to(&serving);
    // The library has a timer of its own for the same moment: it must never win.
    for round in 1..=20 {
        let began = Instant::now();
        let answer = wire.get(1, &[("grpc-timeout", "100m")]).await;
        let took = began.elapsed();
        assert_eq!((answer.code(), answer.status.message()), (Code::DeadlineExceeded, "the deadline passed"));
        assert!(took >= Duration::from_millis(100) && took < Duration::from_secs(5), "{took:?}");
        eventually("the handler is gone", async || dropped.load(Ordering::Relaxed) == round).await;
        assert_eq!(entered.load(Ordering::Relaxed), round);
    }
    assert_eq!(serving.metric(r#"grpc_server_call_duration_seconds_count{grpc_method="Order/Get",grpc_status="DEADLINE_EXCEEDED"}"#).await, 20);
    assert_eq!(serving.metric("grpc_server_in_flight").await, 0);
}

#[tokio::test]
async fn a_call_with_too_little_time_left_is_not_started_while_health_responds() {
    let (handler, entered, _) = endless();
    let serving = Serving::start(handler).await;
    let wire = Wire::to(&serving);
    let too_little = format!("{}u", TIME_LEFT_MIN.as_micros() - 1);
    for (refused, timeout) in (1..).zip(["0n", "1m", &too_little]) {
        let answer = wire.get(1, &[("grpc-timeout", timeout)]).await;
        assert_eq!(answer.code(), Code::Unavailable, "{timeout}");
        assert!(is_not_started(&answer.status), "{timeout}: {answer:?}");
        assert_eq!(serving.metric("grpc_server_refused_total").await, refused);
    }
    assert_eq!(entered.load(Ordering::Relaxed), 0);
    // What it says of itself takes no time that could be too little.
    let (path, check) = ("/grpc.health.v1.Health/Check", HealthCheckRequest::default());
    let health = wire.call(path, &check, &[("grpc-timeout", "19m")]).await;
    assert!(matches!(health.code(), Code::Ok | Code::Cancelled));
}

#[tokio::test]
async fn a_handler_has_its_deadline_and_an_invalid_header_sets_none() {
    let handler = Handler::new(|request| async move {
        let deadline = request.extensions().get::<Deadline>().ok_or(Status::not_found("no deadline"))?;
        let left = deadline.0.saturating_duration_since(tokio::time::Instant::now());
        assert!((Duration::from_secs(5)..=Duration::from_secs(10)).contains(&left), "{left:?}");
        Ok(order(1))
    });
    let serving = Serving::start(handler).await;
    let wire = Wire::to(&serving);
    for (timeout, code) in [("10S", Code::Ok), ("soon", Code::NotFound)] {
        assert_eq!(wire.get(1, &[("grpc-timeout", timeout)]).await.code(), code, "{timeout}");
    }
}
