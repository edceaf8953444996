//! Restart, graceful shutdown, health and reflection.

use std::{net::SocketAddr, time::Duration};

use futures_util::stream;
use order::Config;
use proto::order::{GetOrderRequest, OrderStatus};
use service_kit::{CancellationToken, env::Vars, process::Sockets};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::{
    RunningOrder, order_id,
    orders::{create, keyed},
    payment::{FakePayment, Reply},
    start, status_of, until,
};

#[tokio::test]
async fn restart_on_the_same_file_keeps_every_order() {
    let (client, payment, service) = start().await;
    let paid = create(&client, keyed("paid")).await.unwrap();
    payment.next([Reply::Fails(tonic::Status::internal("?"))]);
    let pending = order_id(&create(&client, keyed("pending")).await.unwrap_err());
    let request = GetOrderRequest { order_id: paid.order_id, user_id: 0 };
    let before = client.clone().get(request).await.unwrap().into_inner();
    drop(client);
    let directory = service.stop().await;

    let service = RunningOrder::start_in(directory, payment.address, "development").await;
    let client = service.client().await;
    assert_eq!(client.clone().get(request).await.unwrap().into_inner(), before);
    assert_eq!(status_of(&client, pending).await, OrderStatus::Pending);
    let replay = create(&client, keyed("paid")).await.unwrap();
    assert_eq!((replay.order_id, replay.replayed), (paid.order_id, true));
    let next = create(&client, keyed("next")).await.unwrap();
    assert!(next.order_id > paid.order_id);
    assert_eq!(payment.calls().len(), 3);
}

#[tokio::test]
async fn shutdown_during_a_charge_waits_for_the_settlement() {
    let (client, payment, service) = start().await;
    let charge = payment.hold();
    let client_task = tokio::spawn(async move { create(&client, keyed("k")).await });
    payment.called(1).await;
    service.shutdown.cancel();
    until_closed(service.address).await;
    assert!(!service.served.is_finished());
    charge.add_permits(1);
    let response = client_task.await.unwrap().unwrap();
    assert_eq!(response.status(), OrderStatus::Paid);
    assert_paid_after_stop(service, &payment, response.order_id).await;
}

#[tokio::test]
async fn shutdown_waits_for_an_order_whose_client_has_disconnected() {
    let (client, payment, mut service) = start().await;
    let charge = payment.hold();
    let client_task = tokio::spawn(async move { create(&client, keyed("k")).await });
    payment.called(1).await;
    client_task.abort();
    service.shutdown.cancel();
    until_closed(service.address).await;
    // No client is connected: only the order keeps the process running.
    assert!(timeout(Duration::from_millis(300), &mut service.served).await.is_err());
    charge.add_permits(1);
    let order = payment.calls()[0].0.order_id;
    assert_paid_after_stop(service, &payment, order).await;
}

#[tokio::test]
async fn shutdown_while_waiting_for_the_database_succeeds() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let vars = Vars::from_iter([
        ("APPLICATION_PORT", "0"),
        ("ADMIN_ADDRESS", "127.0.0.1:0"),
        ("ENV", "development"),
        ("DB_DRIVER", "postgres"),
        ("DATA_SOURCE_URL", &format!("postgres://postgres:x@{unused}/orders")),
        ("DB_WAIT_SECONDS", "3600"),
        ("PAYMENT_SERVICE_URL", "127.0.0.1:1"),
    ]);
    let config = Config::read(&vars).unwrap();
    let sockets = Sockets::bind(&config.process).await.unwrap();
    let admin = sockets.admin.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(order::serve(config, sockets, shutdown.clone()));
    until("/readyz reports the database", async || {
        let mut socket = TcpStream::connect(admin).await.unwrap();
        socket.write_all(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut response = String::new();
        socket.read_to_string(&mut response).await.unwrap();
        (response.starts_with("HTTP/1.1 503 ") && response.contains("not ready: database")).then_some(())
    })
    .await;
    shutdown.cancel();
    timeout(Duration::from_secs(5), served).await.unwrap().unwrap().unwrap();
}

/// Asserts that the order is PAID in the database after `service` has stopped.
async fn assert_paid_after_stop(service: RunningOrder, payment: &FakePayment, order: i64) {
    let directory = service.stop().await;
    let service = RunningOrder::start_in(directory, payment.address, "development").await;
    assert_eq!(status_of(&service.client().await, order).await, OrderStatus::Paid);
    assert_eq!(payment.calls().len(), 1);
}

async fn until_closed(address: SocketAddr) {
    until("the listener is closed", async || TcpStream::connect(address).await.err()).await;
}

#[tokio::test]
async fn health_is_reported_by_service_name() {
    let (_client, _payment, service) = start().await;
    let channel = service.channel().await;
    let check = async |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        let response = HealthClient::new(channel.clone()).check(request).await;
        response.map(|response| response.into_inner().status()).map_err(|status| status.code())
    };
    for name in ["", "Order"] {
        until("the service is healthy", async || {
            (check(name).await == Ok(ServingStatus::Serving)).then_some(())
        })
        .await;
    }
    assert_eq!(check("Payment").await, Err(Code::NotFound));
}

/// The services that reflection lists, if it is on.
async fn reflected_services(service: &RunningOrder) -> Result<Vec<String>, Code> {
    let list = MessageRequest::ListServices(String::new());
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let mut client = ServerReflectionClient::new(service.channel().await);
    let mut responses = client
        .server_reflection_info(stream::iter([request]))
        .await
        .map_err(|status| status.code())?
        .into_inner();
    let response = responses.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(services) = response else { panic!("{response:?}") };
    Ok(services.service.into_iter().map(|service| service.name).collect())
}

#[tokio::test]
async fn reflection_is_on_in_development_only() {
    let (_client, payment, service) = start().await;
    let names = reflected_services(&service).await.unwrap();
    assert!(names.contains(&"Order".to_owned()) && !names.contains(&"Payment".to_owned()), "{names:?}");
    let directory = service.stop().await;
    let production = RunningOrder::start_in(directory, payment.address, "production").await;
    assert_eq!(reflected_services(&production).await, Err(Code::Unimplemented));
    assert!(create(&production.client().await, keyed("k")).await.is_ok());
}
