//! A call ends at its client's deadline, and is rejected if too little time is left at its start.

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
    raw_client::RawClient,
    serving::{Handler, Serving, eventually, order},
};

/// Counts its drops.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A handler that never ends, and the counts of its starts and drops.
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
    let client = RawClient::new(&serving);
    for round in 1..=20 {
        let began = Instant::now();
        let status = client.get(1, &[("grpc-timeout", "100m")]).await.status;
        let took = began.elapsed();
        assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "the deadline passed"));
        assert!(took >= Duration::from_millis(100) && took < Duration::from_secs(5), "{took:?}");
        eventually("the handler is dropped", async || dropped.load(Ordering::Relaxed) == round).await;
        assert_eq!(entered.load(Ordering::Relaxed), round);
    }
    assert_eq!(serving.metric(r#"grpc_server_call_duration_seconds_count{grpc_method="Order/Get",grpc_status="DEADLINE_EXCEEDED"}"#).await, 20);
    assert_eq!(serving.metric("grpc_server_in_flight").await, 0);
}

#[tokio::test]
async fn a_call_with_too_little_time_left_is_not_started_while_health_responds() {
    let (handler, entered, _) = endless();
    let serving = Serving::start(handler).await;
    let client = RawClient::new(&serving);
    let too_little = format!("{}u", TIME_LEFT_MIN.as_micros() - 1);
    for (refused, timeout) in (1..).zip(["0n", "1m", &too_little]) {
        let response = client.get(1, &[("grpc-timeout", timeout)]).await;
        assert_eq!(response.code(), Code::Unavailable, "{timeout}");
        assert!(is_not_started(&response.status), "{timeout}: {response:?}");
        assert_eq!(serving.metric("grpc_server_refused_total").await, refused);
    }
    assert_eq!(entered.load(Ordering::Relaxed), 0);
    // Health checks are exempt from TIME_LEFT_MIN, 20 ms.
    let (path, check) = ("/grpc.health.v1.Health/Check", HealthCheckRequest::default());
    let health = client.call(path, &check, &[("grpc-timeout", "19m")]).await;
    assert!(matches!(health.code(), Code::Ok | Code::DeadlineExceeded));
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
    let client = RawClient::new(&serving);
    for (timeout, code) in [("10S", Code::Ok), ("soon", Code::NotFound)] {
        assert_eq!(client.get(1, &[("grpc-timeout", timeout)]).await.code(), code, "{timeout}");
    }
}
