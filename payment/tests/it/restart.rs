//! Acknowledged payments survive a restart, and a shutdown during charges.

use proto::payment::{CreatePaymentRequest, GetPaymentRequest, PaymentStatus, VoidPaymentRequest};
use test_support::{Trial, tests};
use tokio::task::JoinSet;
use tonic::Code;

use crate::{
    fixtures::discrepancies,
    running_service::{Service, open},
};

pub(crate) fn trials() -> Vec<Trial> {
    tests![
        multi_thread;
        a_restart_keeps_every_payment,
        a_shutdown_during_charges_loses_no_acknowledged_charge,
    ]
    .into()
}

fn request(order_id: i64) -> CreatePaymentRequest {
    CreatePaymentRequest { user_id: order_id % 7 + 1, order_id, total_price: 0.12, total: None }
}

async fn a_restart_keeps_every_payment() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(directory.path()).await;
    let mut client = service.client.clone();
    let charged = client.create(request(1)).await.unwrap().into_inner();
    let over = CreatePaymentRequest { total_price: 1e6, ..request(2) };
    let declined = client.create(over.clone()).await.unwrap_err();
    let voided = client.void(VoidPaymentRequest { order_id: 3 }).await.unwrap().into_inner().payment;
    service.stop().await;

    let service = Service::start(directory.path()).await;
    let mut client = service.client.clone();
    assert_eq!(client.create(request(1)).await.unwrap().into_inner(), charged);
    let repeated = client.create(over).await.unwrap_err();
    assert_eq!((repeated.message(), repeated.details()), (declined.message(), declined.details()));
    let found = client.get(GetPaymentRequest { order_id: 3 }).await.unwrap().into_inner();
    assert_eq!(Some(found), voided);
    service.stop().await;
}

async fn a_shutdown_during_charges_loses_no_acknowledged_charge() {
    const ORDERS: i64 = 300;
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(directory.path()).await;
    let mut calls = JoinSet::new();
    for order_id in 1..=ORDERS {
        let mut client = service.client.clone();
        calls.spawn(async move { (order_id, client.create(request(order_id)).await.is_ok()) });
    }
    let mut acknowledged = Vec::new();
    while let Some(ended) = calls.join_next().await {
        let (order_id, ok) = ended.unwrap();
        acknowledged.extend(ok.then_some(order_id));
        if acknowledged.len() == 20 {
            service.start_shutdown();
        }
    }
    assert!(acknowledged.len() >= 20);
    service.stop().await;

    let service = Service::start(directory.path()).await;
    for order_id in 1..=ORDERS {
        let found = service.client.clone().get(GetPaymentRequest { order_id }).await;
        match found {
            Ok(payment) => assert_eq!(payment.into_inner().status(), PaymentStatus::Charged),
            Err(status) => {
                assert_eq!(status.code(), Code::NotFound);
                assert!(!acknowledged.contains(&order_id), "order {order_id} was acknowledged and is lost");
            }
        }
    }
    service.stop().await;
    let database = open(directory.path()).await;
    assert_eq!(discrepancies(&database).await, 0);
}
