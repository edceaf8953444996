//! Charges that the channel tries again: what all attempts prove together is what the customer is told.

use proto::order::OrderStatus;
use tonic::{Code, Status};

use super::{
    Client, House, not_charged, order_id,
    orders::{create, keyed, request},
    outcome_unknown,
    outcomes::answered,
    payment::{FakePayment, Reply},
    status_of,
    told::Told,
};

async fn start() -> (Client, FakePayment, House) {
    let payment = FakePayment::start();
    let house = House::start_with_retries(payment.address).await;
    (house.client().await, payment, house)
}

fn unavailable() -> Reply {
    Reply::Fails(Status::unavailable("not now"))
}

fn refused() -> Reply {
    answered(Code::Unavailable, "overload", "payment", "NOT_STARTED", &[])
}

#[tokio::test]
async fn a_charge_that_fails_at_first_is_asked_for_again_as_it_was() {
    let (client, payment, _house) = start().await;
    payment.next([unavailable(), refused()]);
    let answer = create(&client, request()).await.unwrap();
    assert_eq!(answer.status(), OrderStatus::Paid);
    let calls = payment.calls();
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|(message, _)| *message == calls[0].0), "{calls:?}");
}

#[tokio::test]
async fn a_charge_that_was_refused_every_time_is_not_charged() {
    let (client, payment, _house) = start().await;
    payment.next(vec![refused(); 4]);
    let status = create(&client, keyed("k")).await.unwrap_err();
    assert_eq!(Told::by(&status), not_charged(order_id(&status)));
    assert_eq!(payment.calls().len(), 4);
}

/// The first attempt may have charged: that the last one did nothing proves nothing of the order.
#[tokio::test]
async fn a_charge_that_may_have_run_before_it_was_refused_is_not_known() {
    let (client, payment, _house) = start().await;
    for place in 0..4 {
        let mut replies = vec![refused(); 4];
        replies[place] = unavailable();
        payment.next(replies);
        let status = create(&client, request()).await.unwrap_err();
        let id = order_id(&status);
        assert_eq!(Told::by(&status), outcome_unknown(id), "{place}");
        assert_eq!(status_of(&client, id).await, OrderStatus::Pending);
    }
}

#[tokio::test]
async fn a_charge_that_was_under_way_when_payment_died_is_not_known() {
    let (client, mut payment, _house) = start().await;
    let _held = payment.hold();
    let placing = client.clone();
    let placed = tokio::spawn(async move { create(&placing, request()).await });
    payment.called(1).await;
    // Every later attempt finds nobody there.
    payment.kill();
    let status = placed.await.unwrap().unwrap_err();
    assert_eq!(Told::by(&status), outcome_unknown(order_id(&status)));
}

#[tokio::test]
async fn a_charge_that_never_found_payment_is_not_charged() {
    let (client, mut payment, _house) = start().await;
    payment.kill();
    let status = create(&client, request()).await.unwrap_err();
    assert_eq!(Told::by(&status), not_charged(order_id(&status)));
}
