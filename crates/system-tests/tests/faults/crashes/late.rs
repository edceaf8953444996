//! A charge that the network delivers once more, long after its order has ended.

use proto::{
    google_type::Money,
    payment::{CreatePaymentRequest, payment_client::PaymentClient},
};
use test_support::{Failed, Trial, check};
use tonic_types::StatusExt;

use super::conclude;
use crate::{
    books::On,
    customer::Record,
    house::{CREDIT_LIMIT, House, Plan},
};

pub(super) fn trial(on: On) -> Trial {
    let name = format!("{}::crashes::a_late_duplicate_changes_nothing", on.name());
    crate::shared(&name, &on.needs(), move || duplicates(on))
}

async fn duplicates(on: On) -> Result<(), Failed> {
    let house = House::build(Plan::on(on)).await?;
    let mut paid = Record::of(1, "paid", 12);
    let mut declined = Record::of(2, "declined", CREDIT_LIMIT * 100 + 1);
    let was = house.customers.attempt_at(0, &mut paid).await.ok_or("no answer")?;
    check(was.status == 201, || format!("{was:?}"))?;
    let order = was.order.ok_or("no order")?;
    let first = charge_again(&house, 1, order, 12).await?;
    let second = charge_again(&house, 1, order, 12).await?;
    check(first.is_ok() && first == second, || format!("two answers: {first:?}, {second:?}"))?;
    let other = charge_again(&house, 1, order, 13).await?;
    check(other == Err("MISMATCH".to_owned()), || format!("another amount: {other:?}"))?;

    let was = house.customers.attempt_at(0, &mut declined).await.ok_or("no answer")?;
    check(was.status == 402, || format!("{was:?}"))?;
    let again = charge_again(&house, 2, was.order.ok_or("no order")?, declined.purchase.minor).await?;
    check(again == Err("DECLINED".to_owned()), || format!("after a decline: {again:?}"))?;
    conclude(house, &[paid, declined]).await
}

/// Delivers Order's charge to Payment: the id of the payment, or the reason that there is none.
pub(super) async fn charge_again(
    house: &House,
    user: i64,
    order: i64,
    minor: i64,
) -> Result<Result<i64, String>, Failed> {
    let mut payment = PaymentClient::connect(format!("http://{}", house.payments[0].address)).await?;
    let nanos = i32::try_from(minor % 100)? * 10_000_000;
    let total = Money { currency_code: "USD".to_owned(), units: minor / 100, nanos };
    let charge =
        CreatePaymentRequest { user_id: user, order_id: order, total: Some(total), ..Default::default() };
    Ok(match payment.create(charge).await {
        Ok(charged) => Ok(charged.into_inner().payment_id),
        Err(status) => Err(status.get_details_error_info().map(|info| info.reason).unwrap_or_default()),
    })
}
