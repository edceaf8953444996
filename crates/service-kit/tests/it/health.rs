//! `grpc.health.v1.Health` and the admin pages report whether the service is ready for requests.

use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::serving::{Handler, Serving, eventually, get};

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
