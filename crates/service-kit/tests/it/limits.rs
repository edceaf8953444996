//! Calls and requests over the limits are rejected, with the reason, before any handler runs.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use proto::order::CreateOrderRequest;
use service_kit::{
    grpc::{CALLS_IN_FLIGHT_MAX, REQUEST_BYTES_MAX},
    not_started::{NOT_STARTED, RETRY_AFTER},
};
use tokio::sync::Semaphore;
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

use crate::serving::{Handler, Serving, eventually, get, order, soon};

/// A handler, the count of its calls, and a semaphore: a call responds once it has a permit.
fn gated() -> (Handler, Arc<AtomicUsize>, Arc<Semaphore>) {
    let (entered, exits) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let handler = {
        let (entered, exits) = (entered.clone(), exits.clone());
        Handler::new(move |request| {
            entered.fetch_add(1, Ordering::Relaxed);
            let exits = exits.clone();
            async move {
                exits.acquire().await.map_err(|_| Status::internal("closed"))?.forget();
                Ok(order(request.get_ref().order_id))
            }
        })
    };
    (handler, entered, exits)
}

#[tokio::test]
async fn calls_beyond_the_limit_are_not_started_while_health_responds() {
    let (handler, entered, exits) = gated();
    let serving = Serving::start(handler).await;
    // One connection, as a gateway has: a lower limit of its streams would make calls wait in the client
    // instead of being rejected.
    let mut client = serving.client().await;
    let calls: Vec<_> = std::iter::repeat_with(|| {
        let mut client = client.clone();
        tokio::spawn(async move { client.get(get(1)).await })
    })
    .take(CALLS_IN_FLIGHT_MAX)
    .collect();
    eventually("no permit is free", async || entered.load(Ordering::Relaxed) == CALLS_IN_FLIGHT_MAX).await;

    let refused = soon(client.get(get(1))).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let details = refused.check_error_details().unwrap();
    let info = details.error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), (NOT_STARTED, "order"));
    assert_eq!(details.retry_info().unwrap().retry_delay, Some(RETRY_AFTER));
    assert_eq!(entered.load(Ordering::Relaxed), CALLS_IN_FLIGHT_MAX);
    assert_eq!(serving.metric("grpc_server_refused_total").await, 1);
    let in_flight = u64::try_from(CALLS_IN_FLIGHT_MAX).unwrap();
    assert_eq!(serving.metric("grpc_server_in_flight").await, in_flight);
    HealthClient::new(serving.connect().await).check(HealthCheckRequest::default()).await.unwrap();

    exits.add_permits(CALLS_IN_FLIGHT_MAX + 1);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    client.get(get(1)).await.unwrap();
    assert_eq!(serving.metric("grpc_server_in_flight").await, 0);
}

#[tokio::test]
async fn tasks_that_outlive_their_calls_count_towards_the_limit() {
    let (handler, entered, _exits) = gated();
    let serving = Serving::start(handler).await;
    let mut client = serving.client().await;
    for _ in 0..CALLS_IN_FLIGHT_MAX {
        serving.tasks.spawn(std::future::pending::<()>());
    }
    assert_eq!(soon(client.get(get(1))).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(entered.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_client_that_disconnects_releases_its_permit() {
    let (handler, entered, _exits) = gated();
    let serving = Serving::start(handler).await;
    let mut client = serving.client().await;
    let call = tokio::spawn(async move { client.get(get(1)).await.map(drop) });
    eventually("the handler runs", async || entered.load(Ordering::Relaxed) == 1).await;
    assert_eq!(serving.metric("grpc_server_in_flight").await, 1);
    call.abort();
    eventually("its permit is free", async || serving.metric("grpc_server_in_flight").await == 0).await;
}

#[tokio::test]
async fn a_request_above_the_size_limit_is_rejected() {
    let serving = Serving::start(Handler::echo()).await;
    let mut client = serving.client().await;
    // The field's tag and length take five bytes.
    for (bytes, expected) in
        [(REQUEST_BYTES_MAX - 5, None), (REQUEST_BYTES_MAX - 4, Some(Code::ResourceExhausted))]
    {
        let request =
            CreateOrderRequest { idempotency_key: "k".repeat(bytes), ..CreateOrderRequest::default() };
        let rejection = client.create(request).await.err();
        assert_eq!(rejection.as_ref().map(Status::code), expected, "{bytes}");
        if let Some(rejection) = rejection {
            assert_eq!(rejection.message(), "the message has 1048577 bytes; the limit is 1048576");
        }
    }
}
