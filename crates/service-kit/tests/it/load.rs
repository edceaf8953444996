//! Every answer says how loaded its server is.

use grpc_client::orca::{LoadReport, TRAILER};
use service_kit::{env::Mode, grpc::CALLS_IN_FLIGHT_MAX};
use tokio::sync::watch;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;

use crate::{
    serving::{Handler, Serving, eventually, order},
    wire::{Answer, Wire},
};

fn report(answer: &Answer) -> LoadReport {
    assert_eq!(answer.trailers.get_all(TRAILER).iter().count(), 1, "{answer:?}");
    LoadReport::from_trailers(&answer.trailers).unwrap()
}

#[tokio::test]
async fn every_response_has_a_report() {
    let serving = Serving::start(Handler::echo()).await;
    let wire = Wire::to(&serving);
    for (id, timeout, code) in
        [(1, "10S", Code::Ok), (0, "10S", Code::NotFound), (1, "1m", Code::Unavailable)]
    {
        let answer = wire.get(id, &[("grpc-timeout", timeout)]).await;
        assert_eq!(answer.code(), code);
        assert!(report(&answer).rps >= 1.0, "{answer:?}");
    }
}

#[tokio::test]
async fn health_and_reflection_have_no_report() {
    let serving = Serving::start_in(Mode::Development, Handler::echo()).await;
    let wire = Wire::to(&serving);
    for path in ["/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"]
    {
        let answer = wire.call(path, &HealthCheckRequest::default(), &[]).await;
        assert!(!answer.trailers.contains_key(TRAILER), "{path}: {answer:?}");
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
    let wire = Wire::to(&serving);
    for _ in 0..50 {
        assert_eq!(report(&wire.get(0, &[]).await).eps, 0.0);
    }
    // A report is as old as a tenth of a second.
    eventually("the report counts errors", async || report(&wire.get(1, &[]).await).eps >= 1.0).await;
    let burst = report(&wire.get(1, &[]).await);
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
    let (to_idle, to_busy) = (Wire::to(&idle), std::sync::Arc::new(Wire::to(&busy)));
    let held = CALLS_IN_FLIGHT_MAX - 1;
    let calls: Vec<_> = std::iter::repeat_with(|| {
        let wire = to_busy.clone();
        tokio::spawn(async move { wire.get(2, &[]).await.code() })
    })
    .take(held)
    .collect();
    let in_flight = u64::try_from(held).unwrap();
    eventually("all are held", async || busy.metric("grpc_server_in_flight").await == in_flight).await;
    // Beyond what the processor alone could account for, busy as this machine may be.
    for _ in 0..held {
        busy.tasks.spawn(std::future::pending::<()>());
    }
    eventually("the report shows the load", async || report(&to_busy.get(1, &[]).await).utilization > 1.9)
        .await;
    assert!(report(&to_idle.get(1, &[]).await).utilization <= 1.0);
    release.send(true).unwrap();
    for call in calls {
        assert_eq!(call.await.unwrap(), Code::Ok);
    }
}
