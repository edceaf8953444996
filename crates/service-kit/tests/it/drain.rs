//! Graceful shutdown: calls in flight finish, new connections are refused, and the server stops in time.

use std::{sync::Arc, time::Duration};

use service_kit::process::DRAIN_MAX;
use tokio::{net::TcpStream, sync::Notify, time::Instant};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::serving::{Handler, Serving, eventually, get, order, soon};

/// A handler, the signal that it has started, and the signal that lets it respond.
pub(crate) fn held() -> (Handler, Arc<Notify>, Arc<Notify>) {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, release) = (entered.clone(), release.clone());
        Handler::new(move |_| {
            let (entered, release) = (entered.clone(), release.clone());
            async move {
                entered.notify_one();
                release.notified().await;
                Ok(order(1))
            }
        })
    };
    (handler, entered, release)
}

#[tokio::test]
async fn shutdown_finishes_calls_in_flight_and_accepts_no_new_ones() {
    let (handler, entered, release) = held();
    let serving = Serving::start(handler).await;
    let mut client = serving.client().await;
    let call = tokio::spawn(async move { client.get(get(1)).await });
    entered.notified().await;

    serving.shutdown.cancel();
    eventually("connections are refused", async || TcpStream::connect(serving.address).await.is_err()).await;
    assert_eq!(serving.admin("/readyz").await, (503, "not ready: accepting\n".to_owned()));
    assert_eq!(serving.admin("/livez").await.0, 200);
    assert!(!serving.served.is_finished());

    release.notify_one();
    assert_eq!(call.await.unwrap().unwrap().into_inner().order_id, 1);
    soon(serving.served).await.unwrap().unwrap();
}

/// A task may outlive the call that spawned it.
#[tokio::test]
async fn shutdown_waits_for_tasks_that_outlive_their_calls() {
    let serving = Serving::start(Handler::echo()).await;
    let release = Arc::new(Notify::new());
    let task = serving.tasks.spawn({
        let release = release.clone();
        async move { release.notified().await }
    });
    serving.shutdown.cancel();
    eventually("connections are refused", async || TcpStream::connect(serving.address).await.is_err()).await;
    eventually("the task tracker is closed", async || serving.tasks.is_closed()).await;
    assert!(!serving.served.is_finished());
    release.notify_one();
    task.await.unwrap();
    soon(serving.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn shutdown_aborts_an_endless_call_after_the_limit() {
    let (handler, entered, _release) = held();
    let serving = Serving::start(handler).await;
    let mut client = serving.client().await;
    let _call = tokio::spawn(async move { client.get(get(1)).await });
    entered.notified().await;
    let started = Instant::now();
    serving.shutdown.cancel();
    tokio::time::pause();
    serving.served.await.unwrap().unwrap();
    let took = started.elapsed();
    assert!(took >= DRAIN_MAX && took < DRAIN_MAX + Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn idle_connections_do_not_delay_shutdown() {
    let serving = Serving::start(Handler::echo()).await;
    let mut client = serving.client().await;
    client.get(get(1)).await.unwrap();
    serving.shutdown.cancel();
    soon(serving.served).await.unwrap().unwrap();
}

/// A watch is a call that never ends by itself.
#[tokio::test]
async fn a_health_watch_sees_the_shutdown_and_does_not_delay_it() {
    let serving = Serving::start(Handler::echo()).await;
    let mut client = HealthClient::new(serving.connect().await);
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    serving.shutdown.cancel();
    assert_eq!(soon(watch.message()).await.unwrap().unwrap().status(), ServingStatus::NotServing);
    soon(serving.served).await.unwrap().unwrap();
}
