//! The limits of health and reflection.

use std::time::Duration;

use service_kit::grpc::WATCHES_MAX;
use tokio::time::{Instant, timeout};
use tonic::{Code, Streaming};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};

use crate::{
    raw_client::RawClient,
    serving::{Handler, Serving, eventually, soon},
};

type Watch = Streaming<HealthCheckResponse>;

#[tokio::test]
async fn watches_have_a_limit_and_checks_go_on() {
    let serving = Serving::start(Handler::echo()).await;
    let (mut watches, mut connections): (Vec<Watch>, Vec<_>) = (Vec::new(), Vec::new());
    for number in 0..WATCHES_MAX {
        if number % 1024 == 0 {
            connections.push(HealthClient::new(serving.connect().await));
        }
        let client = connections.last_mut().unwrap();
        watches.push(soon(client.watch(HealthCheckRequest::default())).await.unwrap().into_inner());
    }
    let mut client = HealthClient::new(serving.connect().await);
    let rejection = soon(client.watch(HealthCheckRequest::default())).await.unwrap_err();
    assert_eq!(rejection.code(), Code::ResourceExhausted);
    soon(client.check(HealthCheckRequest::default())).await.unwrap();
    watches.pop();
    eventually("another watch is admitted", async || {
        client.watch(HealthCheckRequest::default()).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_watch_ends_at_its_deadline() {
    let serving = Serving::start(Handler::echo()).await;
    let client = RawClient::new(&serving);
    let began = Instant::now();
    let (request, deadline) = (HealthCheckRequest::default(), [("grpc-timeout", "200m")]);
    let watch = client.call("/grpc.health.v1.Health/Watch", &request, &deadline);
    let watch = timeout(Duration::from_secs(10), watch).await.unwrap();
    assert_eq!((watch.code(), watch.status.message()), (Code::DeadlineExceeded, "the deadline passed"));
    assert!(began.elapsed() >= Duration::from_millis(200));
}
