//! Load reports in the trailers of responses (gRFC A51).

use grpc_client::orca::{LoadReport, TRAILER};
use service_kit::{env::Mode, grpc::CALLS_IN_FLIGHT_MAX};
use tokio::sync::watch;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;

use crate::{
    raw_client::{RawClient, Response},
    serving::{Handler, Serving, eventually, order},
};

fn report(response: &Response) -> LoadReport {
    assert_eq!(response.trailers.get_all(TRAILER).iter().count(), 1, "{response:?}");
    LoadReport::from_trailers(&response.trailers).unwrap()
}

#[tokio::test]
async fn every_response_has_a_report() {
    let serving = Serving::start(Handler::echo()).await;
    let client = RawClient::new(&serving);
    for (id, timeout, code) in
        [(1, "10S", Code::Ok), (0, "10S", Code::NotFound), (1, "1m", Code::Unavailable)]
    {
        let response = client.get(id, &[("grpc-timeout", timeout)]).await;
        assert_eq!(response.code(), code);
        assert!(report(&response).rps >= 1.0, "{response:?}");
    }
}

#[tokio::test]
async fn health_and_reflection_have_no_report() {
    let serving = Serving::start_in(Mode::Development, Handler::echo()).await;
    let client = RawClient::new(&serving);
    for path in ["/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"]
    {
        let response = client.call(path, &HealthCheckRequest::default(), &[]).await;
        assert!(!response.trailers.contains_key(TRAILER), "{path}: {response:?}");
    }
}

#[tokio::test]
async fn server_errors_are_reported_and_client_errors_are_not() {
    let failing = Handler::new(|request| async move {
        Err(match request.get_ref().order_id {
            0 => Status::invalid_argument("an id is needed"),
            _ => Status::internal("it cannot be done"),
        })
    });
    let serving = Serving::start(failing).await;
    let client = RawClient::new(&serving);
    for _ in 0..50 {
        assert_eq!(report(&client.get(0, &[]).await).eps, 0.0);
    }
    // A report is up to 100 ms old.
    eventually("the report counts errors", async || report(&client.get(1, &[]).await).eps >= 1.0).await;
    let burst = report(&client.get(1, &[]).await);
    assert!(burst.rps >= burst.eps && burst.eps >= 1.0, "{burst:?}");
}

#[tokio::test]
async fn a_busy_server_reports_more_than_an_idle_one() {
    let (release, released) = watch::channel(false);
    let handler = Handler::new(move |request| {
        let mut released = released.clone();
        async move {
            if request.get_ref().order_id == 2 {
                let _ = released.wait_for(|released| *released).await;
            }
            Ok(order(1))
        }
    });
    let (idle, busy) = (Serving::start(handler.clone()).await, Serving::start(handler).await);
    let (idle_client, busy_client) = (RawClient::new(&idle), std::sync::Arc::new(RawClient::new(&busy)));
    let held = CALLS_IN_FLIGHT_MAX - 1;
    let calls: Vec<_> = std::iter::repeat_with(|| {
        let client = busy_client.clone();
        tokio::spawn(async move { client.get(2, &[]).await.code() })
    })
    .take(held)
    .collect();
    let in_flight = u64::try_from(held).unwrap();
    eventually("all are in flight", async || busy.metric("grpc_server_in_flight").await == in_flight).await;
    // Pending tasks raise the utilization above 1, which CPU use alone cannot.
    for _ in 0..held {
        busy.tasks.spawn(std::future::pending::<()>());
    }
    eventually("load is reported", async || report(&busy_client.get(1, &[]).await).utilization > 1.9).await;
    assert!(report(&idle_client.get(1, &[]).await).utilization <= 1.0);
    release.send(true).unwrap();
    for call in calls {
        assert_eq!(call.await.unwrap(), Code::Ok);
    }
}
