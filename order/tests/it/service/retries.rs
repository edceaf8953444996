//! Charges that the gRPC client retries: the status follows from all attempts together.

use proto::order::OrderStatus;
use tonic::{Code, Status};

use super::{
    Client, RunningOrder, not_charged, order_id,
    orders::{create, keyed, request},
    outcome_unknown,
    outcomes::failure,
    payment::{FakePayment, Reply},
    status_fixture::StatusFixture,
    status_of,
};

async fn start_with_retries() -> (Client, FakePayment, RunningOrder) {
    let payment = FakePayment::start();
    let service = RunningOrder::start_with_retries(payment.address).await;
    (service.client().await, payment, service)
}

fn unavailable() -> Reply {
    Reply::Fails(Status::unavailable("not now"))
}

fn not_started() -> Reply {
    failure(Code::Unavailable, "overload", "payment", "NOT_STARTED", &[])
}

#[tokio::test]
async fn failed_charge_is_retried_with_the_same_message() {
    let (client, payment, _order) = start_with_retries().await;
    payment.next([unavailable(), not_started()]);
    let response = create(&client, request()).await.unwrap();
    assert_eq!(response.status(), OrderStatus::Paid);
    let calls = payment.calls();
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|(message, _)| *message == calls[0].0), "{calls:?}");
}

#[tokio::test]
async fn charge_that_never_started_is_not_charged() {
    let (client, payment, _order) = start_with_retries().await;
    payment.next(vec![not_started(); 4]);
    let status = create(&client, keyed("k")).await.unwrap_err();
    assert_eq!(StatusFixture::from_status(&status), not_charged(order_id(&status)));
    assert_eq!(payment.calls().len(), 4);
}

/// One attempt may have charged; that another did nothing proves nothing about the order.
#[tokio::test]
async fn charge_with_one_attempt_that_may_have_run_is_outcome_unknown() {
    let (client, payment, _order) = start_with_retries().await;
    for place in 0..4 {
        let mut replies = vec![not_started(); 4];
        replies[place] = unavailable();
        payment.next(replies);
        let status = create(&client, request()).await.unwrap_err();
        let id = order_id(&status);
        assert_eq!(StatusFixture::from_status(&status), outcome_unknown(id), "{place}");
        assert_eq!(status_of(&client, id).await, OrderStatus::Pending);
    }
}

#[tokio::test]
async fn charge_in_progress_when_payment_dies_is_outcome_unknown() {
    let (client, mut payment, _order) = start_with_retries().await;
    let _held = payment.hold();
    let placing = client.clone();
    let placed = tokio::spawn(async move { create(&placing, request()).await });
    payment.called(1).await;
    // Every later attempt reaches no server.
    payment.kill();
    let status = placed.await.unwrap().unwrap_err();
    assert_eq!(StatusFixture::from_status(&status), outcome_unknown(order_id(&status)));
}

#[tokio::test]
async fn charge_that_never_reaches_payment_is_not_charged() {
    let (client, mut payment, _order) = start_with_retries().await;
    payment.kill();
    let status = create(&client, request()).await.unwrap_err();
    assert_eq!(StatusFixture::from_status(&status), not_charged(order_id(&status)));
}
