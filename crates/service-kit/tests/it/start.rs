//! Start: connections are refused until the service listens, and `/readyz` gives the reason.

use std::io::ErrorKind;

use service_kit::env::Mode;
use tokio::net::{TcpListener, TcpStream};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::serving::{Handler, Serving, Starting, get};

async fn starting() -> Starting {
    let starting = Starting::new(Mode::Production, Handler::echo()).await;
    starting.readiness.set("database", false);
    starting
}

#[tokio::test]
async fn connections_are_refused_and_admin_responds_until_it_serves() {
    let starting = starting().await;
    let refused = TcpStream::connect(starting.address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(starting.admin("/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(starting.admin("/readyz").await, (503, "not ready: database\n".to_owned()));

    starting.readiness.set("database", true);
    assert_eq!(starting.admin("/readyz").await, (503, "not ready: accepting\n".to_owned()));

    let serving = starting.serve().await;
    assert_eq!(serving.admin("/readyz").await, (200, "ready\n".to_owned()));
    assert_eq!(serving.client().await.get(get(1)).await.unwrap().get_ref().order_id, 1);
}

#[tokio::test]
async fn health_is_never_serving_while_not_ready() {
    let serving = starting().await.serve().await;
    let mut health = HealthClient::new(serving.connect().await);
    for service in ["", "Order"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let status = health.check(request).await.unwrap().get_ref().status();
        assert_eq!(status, ServingStatus::NotServing, "{service:?}");
    }
    assert_eq!(serving.admin("/readyz").await, (503, "not ready: database\n".to_owned()));
}

#[tokio::test]
async fn an_address_taken_during_start_ends_the_service() {
    let starting = starting().await;
    let _other = TcpListener::bind(starting.address).await.unwrap();
    let expected = format!("cannot listen on {}: ", starting.address);
    let error = starting.fail().await.to_string();
    assert!(error.starts_with(&expected), "{error}");
}

#[tokio::test]
async fn opt_outs_are_shown_whether_ready_or_not() {
    let serving = Serving::start(Handler::echo()).await;
    for text in ["sync_binlog", "innodb_flush_log_at_trx_commit", "sync_binlog"] {
        serving.readiness.record_opt_out(text.to_owned());
    }
    let waived = "waived: innodb_flush_log_at_trx_commit\nwaived: sync_binlog\n";
    assert_eq!(serving.admin("/readyz").await, (200, format!("ready\n{waived}")));
    serving.readiness.set("database", false);
    assert_eq!(serving.admin("/readyz").await, (503, format!("not ready: database\n{waived}")));
}
