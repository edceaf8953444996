//! A charge that the network delivers again, after its order has reached a final state.

use proto::{
    google_type::Money,
    payment::{CreatePaymentRequest, payment_client::PaymentClient},
};
use system_tests::client::{History, Response};
use test_support::{Failed, Trial, check};
use tonic_types::StatusExt;

use super::finish;
use crate::{
    cluster::{CREDIT_LIMIT_MAJOR, Cluster, ClusterConfig},
    db_snapshot::DatabaseKind,
};

pub(super) fn trial(database: DatabaseKind) -> Trial {
    let name = format!("{}::crashes::late_duplicate", database.name());
    crate::shared(&name, &database.needs(), move || deliver_again(database))
}

async fn deliver_again(database: DatabaseKind) -> Result<(), Failed> {
    let cluster = Cluster::start(ClusterConfig::new(database).request_timeout(super::LONG_TIMEOUT)).await?;
    let mut paid = History::new(1, "paid", 12);
    let mut declined = History::new(2, "declined", CREDIT_LIMIT_MAJOR * 100 + 1);
    let order = place(&cluster, &mut paid, 201).await?;
    let first = charge(&cluster, 1, order, 12).await?;
    let second = charge(&cluster, 1, order, 12).await?;
    check(first.is_ok() && first == second, || format!("two replies: {first:?}, {second:?}"))?;
    let other = charge(&cluster, 1, order, 13).await?;
    check(other == Err("MISMATCH".to_owned()), || format!("another amount: {other:?}"))?;

    let order = place(&cluster, &mut declined, 402).await?;
    let again = charge(&cluster, 2, order, declined.request.minor).await?;
    check(again == Err("DECLINED".to_owned()), || format!("after a decline: {again:?}"))?;
    finish(cluster, &[paid, declined]).await
}

/// Places an order, which must get this status; returns its id.
async fn place(cluster: &Cluster, history: &mut History, status: u16) -> Result<i64, Failed> {
    let response = cluster.client.attempt_at(0, history).await.ok_or("no response")?;
    check(response.status == status, || format!("{response:?}"))?;
    let Response { order, .. } = response;
    Ok(order.ok_or("a response without the order's id")?)
}

/// Sends the charge of an order to Payment. Returns the payment's id, or the reason of the error.
pub(super) async fn charge(
    cluster: &Cluster,
    user: i64,
    order: i64,
    minor: i64,
) -> Result<Result<i64, String>, Failed> {
    let mut payment = PaymentClient::connect(format!("http://{}", cluster.payments[0].address)).await?;
    let nanos = i32::try_from(minor % 100)? * 10_000_000;
    let total = Money { currency_code: "USD".to_owned(), units: minor / 100, nanos };
    let charge =
        CreatePaymentRequest { user_id: user, order_id: order, total: Some(total), ..Default::default() };
    Ok(match payment.create(charge).await {
        Ok(response) => Ok(response.into_inner().payment_id),
        Err(status) => Err(status.get_details_error_info().map(|info| info.reason).unwrap_or_default()),
    })
}
