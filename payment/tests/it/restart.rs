//! What was answered survives: a restart on the same file, and a stop in the middle of many charges.

use proto::payment::{CreatePaymentRequest, GetPaymentRequest, PaymentStatus, VoidPaymentRequest};
use tokio::task::JoinSet;
use tonic::Code;

use crate::{
    books::discrepancies,
    given::{Service, open},
};

fn request(order_id: i64) -> CreatePaymentRequest {
    CreatePaymentRequest { user_id: order_id % 7 + 1, order_id, total_price: 0.12, total: None }
}

#[tokio::test]
async fn a_restart_on_the_same_file_loses_nothing() {
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
    let again = client.create(over).await.unwrap_err();
    assert_eq!((again.message(), again.details()), (declined.message(), declined.details()));
    let found = client.get(GetPaymentRequest { order_id: 3 }).await.unwrap().into_inner();
    assert_eq!(Some(found), voided);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_of_many_charges_loses_no_answer() {
    const ORDERS: i64 = 300;
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(directory.path()).await;
    let mut calls = JoinSet::new();
    for order_id in 1..=ORDERS {
        let mut client = service.client.clone();
        calls.spawn(async move { (order_id, client.create(request(order_id)).await.is_ok()) });
    }
    let mut answered = Vec::new();
    while let Some(ended) = calls.join_next().await {
        let (order_id, ok) = ended.unwrap();
        answered.extend(ok.then_some(order_id));
        if answered.len() == 20 {
            service.tell_to_stop();
        }
    }
    assert!(answered.len() >= 20);
    service.stop().await;

    let service = Service::start(directory.path()).await;
    for order_id in 1..=ORDERS {
        let found = service.client.clone().get(GetPaymentRequest { order_id }).await;
        match found {
            Ok(payment) => assert_eq!(payment.into_inner().status(), PaymentStatus::Charged),
            Err(status) => {
                assert_eq!(status.code(), Code::NotFound);
                assert!(!answered.contains(&order_id), "order {order_id} was answered and is lost");
            }
        }
    }
    service.stop().await;
    let database = open(directory.path()).await;
    assert_eq!(discrepancies(&database).await, 0);
}
