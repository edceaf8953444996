//! `grpc.health.v1.Health` and the admin pages report whether the service is ready for requests.

use std::{collections::HashMap, time::Duration};

use prost::Message;
use tokio::time::timeout;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_client::HealthClient,
};

use crate::{
    raw_client::{RawClient, framed},
    serving::{Handler, Serving, eventually, get, soon},
};

async fn check(serving: &Serving, service: &str) -> Result<ServingStatus, Code> {
    let mut client = HealthClient::new(serving.connect().await);
    let request = HealthCheckRequest { service: service.to_owned() };
    client.check(request).await.map(|response| response.get_ref().status()).map_err(|status| status.code())
}

#[tokio::test]
async fn health_responds_for_each_service_and_for_the_server() {
    let serving = Serving::start(Handler::echo()).await;
    for service in ["", "Order"] {
        assert_eq!(check(&serving, service).await, Ok(ServingStatus::Serving), "{service:?}");
    }
    assert_eq!(check(&serving, "Payment").await, Err(Code::NotFound));
    assert_eq!(serving.admin("/readyz").await, (200, "ready\n".to_owned()));
    assert_eq!(serving.admin("/livez").await, (200, "ok\n".to_owned()));
}

#[tokio::test]
async fn health_follows_every_condition_while_calls_go_on() {
    let serving = Serving::start(Handler::echo()).await;
    let mut client = serving.client().await;
    serving.readiness.set("database", false);
    for service in ["", "Order"] {
        eventually("not serving", async || check(&serving, service).await == Ok(ServingStatus::NotServing))
            .await;
    }
    assert_eq!(serving.admin("/readyz").await, (503, "not ready: database\n".to_owned()));
    assert_eq!(serving.admin("/livez").await.0, 200);
    // An unmet condition rejects no call: the handler decides whether it needs the database.
    client.get(get(1)).await.unwrap();

    serving.readiness.set("database", true);
    for service in ["", "Order"] {
        eventually("serving", async || check(&serving, service).await == Ok(ServingStatus::Serving)).await;
    }
    assert_eq!(serving.admin("/readyz").await.0, 200);
}

#[tokio::test]
async fn a_watch_gets_each_change_once() {
    let serving = Serving::start(Handler::echo()).await;
    let mut client = HealthClient::new(serving.connect().await);
    let request = HealthCheckRequest { service: "Order".to_owned() };
    let mut watch = client.watch(request).await.unwrap().into_inner();
    let mut expect = async |expected| {
        assert_eq!(soon(watch.message()).await.unwrap().unwrap().status(), expected);
    };
    expect(ServingStatus::Serving).await;
    serving.readiness.set("database", false);
    expect(ServingStatus::NotServing).await;
    // The status stays the same.
    serving.readiness.set("disk", false);
    serving.readiness.set("disk", true);
    serving.readiness.set("database", true);
    expect(ServingStatus::Serving).await;
}

#[tokio::test]
async fn a_watch_of_an_unknown_service_gets_that_and_stays_open() {
    let serving = Serving::start(Handler::echo()).await;
    let mut client = HealthClient::new(serving.connect().await);
    let request = HealthCheckRequest { service: "Payment".to_owned() };
    let mut watch = client.watch(request).await.unwrap().into_inner();
    assert_eq!(soon(watch.message()).await.unwrap().unwrap().status(), ServingStatus::ServiceUnknown);
    serving.readiness.set("database", false);
    assert!(timeout(Duration::from_millis(100), watch.message()).await.is_err());
    // Its server stops nevertheless.
    serving.shutdown.cancel();
    assert_eq!(soon(watch.message()).await.unwrap(), None);
    soon(serving.served).await.unwrap().unwrap();
}

#[derive(Clone, PartialEq, Message)]
struct HealthListResponse {
    #[prost(map = "string, message", tag = "1")]
    statuses: HashMap<String, HealthCheckResponse>,
}

#[tokio::test]
async fn health_lists_every_service() {
    let serving = Serving::start(Handler::echo()).await;
    let client = RawClient::new(&serving);
    for (database, status) in [(true, ServingStatus::Serving), (false, ServingStatus::NotServing)] {
        serving.readiness.set("database", database);
        let (_, body) = client.send(client.post("/grpc.health.v1.Health/List"), &framed(&())).await;
        let listed = HealthListResponse::decode(&body.to_bytes()[5..]).unwrap().statuses;
        let expected =
            ["", "Order"].map(|name| (name.to_owned(), HealthCheckResponse { status: status.into() }));
        assert_eq!(listed, HashMap::from(expected));
    }
}
