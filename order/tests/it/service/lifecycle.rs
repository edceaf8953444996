//! Starting, being asked how it does, and stopping without losing anything.

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
    House, house, order_id,
    orders::{create, keyed},
    payment::{FakePayment, Reply},
    status_of, until,
};

#[tokio::test]
async fn a_restart_on_the_same_file_loses_nothing() {
    let (client, payment, house) = house().await;
    let paid = create(&client, keyed("paid")).await.unwrap();
    payment.next([Reply::Fails(tonic::Status::internal("?"))]);
    let pending = order_id(&create(&client, keyed("pending")).await.unwrap_err());
    let asked = GetOrderRequest { order_id: paid.order_id, user_id: 0 };
    let before = client.clone().get(asked).await.unwrap().into_inner();
    drop(client);
    let directory = house.stop().await;

    let house = House::start_in(directory, payment.address, "development").await;
    let client = house.client().await;
    assert_eq!(client.clone().get(asked).await.unwrap().into_inner(), before);
    assert_eq!(status_of(&client, pending).await, OrderStatus::Pending);
    let replay = create(&client, keyed("paid")).await.unwrap();
    assert_eq!((replay.order_id, replay.replayed), (paid.order_id, true));
    let next = create(&client, keyed("next")).await.unwrap();
    assert!(next.order_id > paid.order_id);
    assert_eq!(payment.calls().len(), 3);
}

#[tokio::test]
async fn a_stop_in_mid_charge_waits_for_the_settlement() {
    let (client, payment, house) = house().await;
    let charge = payment.hold();
    let caller = tokio::spawn(async move { create(&client, keyed("k")).await });
    payment.called(1).await;
    house.shutdown.cancel();
    refuses_connections(house.address).await;
    assert!(!house.served.is_finished());
    charge.add_permits(1);
    let answer = caller.await.unwrap().unwrap();
    assert_eq!(answer.status(), OrderStatus::Paid);
    settled_after(house, &payment, answer.order_id).await;
}

#[tokio::test]
async fn a_stop_waits_for_an_order_whose_caller_has_gone() {
    let (client, payment, mut house) = house().await;
    let charge = payment.hold();
    let caller = tokio::spawn(async move { create(&client, keyed("k")).await });
    payment.called(1).await;
    caller.abort();
    house.shutdown.cancel();
    refuses_connections(house.address).await;
    // With nobody connected, the order alone can keep it.
    assert!(timeout(Duration::from_millis(300), &mut house.served).await.is_err());
    charge.add_permits(1);
    let order = payment.calls()[0].0.order_id;
    settled_after(house, &payment, order).await;
}

#[tokio::test]
async fn a_stop_while_the_database_is_waited_for_is_a_clean_end() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let vars = Vars::from_iter([
        ("APPLICATION_PORT", "0"),
        ("ADMIN_ADDRESS", "127.0.0.1:0"),
        ("ENV", "development"),
        ("DB_DRIVER", "postgres"),
        ("DATA_SOURCE_URL", &format!("postgres://postgres:x@{nobody}/orders")),
        ("DB_WAIT_SECONDS", "3600"),
        ("PAYMENT_SERVICE_URL", "127.0.0.1:1"),
    ]);
    let config = Config::read(&vars).unwrap();
    let sockets = Sockets::bind(&config.process).await.unwrap();
    let admin = sockets.admin.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(order::serve(config, sockets, shutdown.clone()));
    until("the admin listener says what is missing", async || {
        let mut asked = TcpStream::connect(admin).await.unwrap();
        asked.write_all(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        asked.read_to_string(&mut answer).await.unwrap();
        (answer.starts_with("HTTP/1.1 503 ") && answer.contains("not ready: database")).then_some(())
    })
    .await;
    shutdown.cancel();
    timeout(Duration::from_secs(5), served).await.unwrap().unwrap().unwrap();
}

/// Once `house` has stopped, the order is PAID in its file.
async fn settled_after(house: House, payment: &FakePayment, order: i64) {
    let directory = house.stop().await;
    let house = House::start_in(directory, payment.address, "development").await;
    assert_eq!(status_of(&house.client().await, order).await, OrderStatus::Paid);
    assert_eq!(payment.calls().len(), 1);
}

async fn refuses_connections(address: SocketAddr) {
    until("the listener is closed", async || TcpStream::connect(address).await.err()).await;
}

#[tokio::test]
async fn health_is_told_by_name() {
    let (_client, _payment, house) = house().await;
    let channel = house.channel().await;
    let check = async |service: &str| {
        let asked = HealthCheckRequest { service: service.to_owned() };
        let answer = HealthClient::new(channel.clone()).check(asked).await;
        answer.map(|answer| answer.into_inner().status()).map_err(|status| status.code())
    };
    for name in ["", "Order"] {
        until("it serves", async || (check(name).await == Ok(ServingStatus::Serving)).then_some(())).await;
    }
    assert_eq!(check("Payment").await, Err(Code::NotFound));
}

/// The services that reflection lists, where there is reflection.
async fn listed(house: &House) -> Result<Vec<String>, Code> {
    let list = MessageRequest::ListServices(String::new());
    let asked = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let mut client = ServerReflectionClient::new(house.channel().await);
    let mut answers = client
        .server_reflection_info(stream::iter([asked]))
        .await
        .map_err(|status| status.code())?
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(services) = answer else { panic!("{answer:?}") };
    Ok(services.service.into_iter().map(|service| service.name).collect())
}

#[tokio::test]
async fn reflection_is_for_development() {
    let (_client, payment, house) = house().await;
    let names = listed(&house).await.unwrap();
    assert!(names.contains(&"Order".to_owned()) && !names.contains(&"Payment".to_owned()), "{names:?}");
    let directory = house.stop().await;
    let production = House::start_in(directory, payment.address, "production").await;
    assert_eq!(listed(&production).await, Err(Code::Unimplemented));
    assert!(create(&production.client().await, keyed("k")).await.is_ok());
}
