//! Two instances of each service on one order: the first fails, while the same key asks the second.

use std::time::Duration;

use test_support::{Failed, Trial, check};

use super::{POLL, all, conclude, restart_order, stands};
use crate::{
    books::On,
    customer::Record,
    house::{House, Plan},
};

/// How the first Order fails.
const POINTS: &[&str] = &[
    "orders.insert.after=kill@1",
    "orders.insert.after=delay:3000@1",
    "payments.charge.before=kill@1",
    "payments.charge.before=error@1",
    "payments.charge.before=delay:3000@1",
    "payments.charge.before=refuse@1",
    "payments.charge.after=kill@1",
    "payments.charge.after=delay:3000@1",
    "orders.settle.before=delay:3000@1",
    "orders.settle.after=kill@1",
];

const PATIENCE: Duration = Duration::from_secs(20);

/// A SQLite file has one instance alone.
pub(super) fn trial(on: On) -> Option<Trial> {
    let name = format!("{}::crashes::two_instances_on_one_order", on.name());
    (on != On::Sqlite)
        .then(|| crate::shared(&name, &on.needs(), move || all(POINTS, move |points| both(on, points))))
}

async fn both(on: On, points: &'static str) -> Result<(), Failed> {
    let mut house = House::build(Plan::on(on).instances(2)).await?;
    restart_order(&mut house, 0, points).await?;
    let (mut first, mut second) = (Record::of(1, "key", super::MINOR), Record::of(1, "key", super::MINOR));
    let customers = house.customers.clone();
    let until = std::time::Instant::now() + PATIENCE;
    tokio::join!(customers.attempt_at(0, &mut first), async {
        saved(&house).await;
        customers.attempt_at(1, &mut second).await;
    });
    if points.contains("kill") {
        house.orders[0].died().await?;
    }
    // The second goes on whether or not the first is there again.
    check(customers.insist(&mut second, until).await, || format!("not ended: {second:?}"))?;
    house.revive().await?;
    check(customers.insist(&mut first, until).await, || format!("not ended: {first:?}"))?;
    stands(&house, Some("PAID")).await?;
    conclude(house, &[first, second]).await
}

/// Returns once the first request has been saved.
async fn saved(house: &House) {
    while !house.books.orders().await.is_ok_and(|orders| !orders.is_empty()) {
        tokio::time::sleep(POLL).await;
    }
}
