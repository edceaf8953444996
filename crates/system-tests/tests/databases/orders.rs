//! Orders that are retried until they are paid, and checked in the databases.

use std::time::{Duration, Instant};

use system_tests::client::{Client, History};
use test_support::{Failed, check, server::Server};
use tokio::time::timeout;

/// The price of every order, in minor units.
const PRICE_MINOR: i64 = 12;

/// The order of this number, not sent yet.
pub(crate) fn new_order(number: usize) -> History {
    let user = i64::try_from(number % 1000 + 1).unwrap();
    History::new(user, format!("order-{number}"), PRICE_MINOR)
}

/// Retries the order until it is paid or `duration` has passed. Returns the order's id.
///
/// # Panics
///
/// On a response that an order which can be paid must not get: 4xx, except 409.
pub(crate) async fn place(client: &Client, history: &mut History, duration: Duration) -> Option<i64> {
    // A timeout means that the order is not paid yet.
    let _ = timeout(duration, client.retry_until_final(history, Instant::now() + duration)).await;
    let wrong = history.responses().find(|response| matches!(response.status, 400..=408 | 410..=499));
    assert!(wrong.is_none(), "{:?}: {wrong:?}", history.request);
    history.responses().find(|response| response.status == 201)?.order
}

/// The gateway of this index must return the order as PAID.
pub(crate) async fn check_paid(client: &Client, gateway: usize, order: i64) -> Result<(), Failed> {
    let response = client.get_order_at(gateway, order).await;
    let paid = response.as_ref().is_some_and(|found| found.status == 200 && found.body["status"] == "PAID");
    check(paid, || format!("order {order}: {response:?}"))
}

/// Checks that the databases hold exactly `orders` orders, each charged once, and that every balance is
/// correct.
pub(crate) async fn check_databases(
    server: &Server,
    order: &str,
    payment: &str,
    orders: usize,
) -> Result<(), Failed> {
    for (database, sql) in [
        (order, "SELECT COUNT(*) FROM orders"),
        (order, "SELECT COUNT(*) FROM orders WHERE status = 'PAID'"),
        (payment, "SELECT COUNT(*) FROM payments WHERE status = 'CHARGED'"),
    ] {
        let count = server.execute(database, sql).await?;
        check(count.trim() == orders.to_string(), || format!("{orders} orders, but {sql}: {count}"))?;
    }
    let charged = server.execute(payment, "SELECT SUM(charged_minor) FROM accounts").await?;
    let expected = i64::try_from(orders)? * PRICE_MINOR;
    check(charged.trim() == expected.to_string(), || format!("charged {charged}, expected {expected}"))?;
    let unbalanced = server.execute(payment, payment::adapters::db::AUDIT).await?;
    check(unbalanced.trim().is_empty(), || format!("accounts with a wrong balance: {unbalanced}"))
}
