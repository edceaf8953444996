//! Connections end at their age, and no call fails.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use service_kit::{env::Mode, grpc::AGE_GRACE};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    drain::held,
    serving::{Handler, Serving, Starting, get, order, soon},
};

const AGE: Duration = Duration::from_millis(200);

async fn aging(handler: Handler) -> Serving {
    Starting::new(Mode::Production, handler).await.with_connection_age(AGE).serve().await
}

#[tokio::test]
async fn calls_move_to_new_connections_and_none_fails() {
    let peers = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = peers.clone();
    let serving = aging(Handler::new(move |request| {
        seen.lock().unwrap().insert(request.remote_addr().unwrap());
        async { Ok(order(1)) }
    }))
    .await;
    let client = serving.client().await;
    let callers = (0..4).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move {
            let started = Instant::now();
            while started.elapsed() < 6 * AGE {
                client.get(get(1)).await.unwrap();
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let connections = peers.lock().unwrap().len();
    assert!((3..=7).contains(&connections), "{connections} connections");
}

#[tokio::test]
async fn a_call_in_flight_outlives_the_age_of_its_connection() {
    let (handler, entered, release) = held();
    let serving = aging(handler).await;
    let mut client = serving.client().await;
    let call = tokio::spawn(async move { client.get(get(1)).await });
    entered.notified().await;
    tokio::time::sleep(2 * AGE).await;
    release.notify_one();
    assert_eq!(soon(call).await.unwrap().unwrap().into_inner().order_id, 1);
}

/// A watch never ends by itself.
#[tokio::test]
async fn a_watch_ends_with_its_connection_after_the_grace() {
    let serving = aging(Handler::echo()).await;
    let mut client = HealthClient::new(serving.connect().await);
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    watch.message().await.unwrap_err();
    let took = started.elapsed();
    assert!(took > AGE_GRACE && took < AGE_GRACE + Duration::from_secs(1), "{took:?}");
}
