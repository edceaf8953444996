//! The client hangs up at each step: the order goes on without it, to an end that the client finds later.

use std::time::Duration;

use test_support::{Failed, Trial};

use super::{Told, all, conclude, expect, stands};
use crate::{
    books::On,
    customer::Record,
    house::{House, Plan},
};

/// Where the order is, for a second, when its client hangs up: (of Order, of Payment).
const STEPS: &[(&str, &str)] = &[
    ("orders.insert.before=delay:1000@1", ""),
    ("commit.before=delay:1000@1", ""),
    ("orders.insert.after=delay:1000@1", ""),
    ("payments.charge.before=delay:1000@1", ""),
    ("", "ledger.charge.before=delay:1000@1"),
    ("", "commit.before=delay:1000@1"),
    ("", "ledger.charge.after=delay:1000@1"),
    ("payments.charge.after=delay:1000@1", ""),
    ("orders.settle.before=delay:1000@1", ""),
    ("orders.settle.after=delay:1000@1", ""),
];

/// Late enough for the order to have reached its step.
const PATIENCE: Duration = Duration::from_millis(400);

pub(super) fn trial(on: On) -> Trial {
    let name = format!("{}::crashes::the_client_is_gone", on.name());
    crate::shared(&name, &on.needs(), move || all(STEPS, move |step| hangs_up(on, step)))
}

async fn hangs_up(on: On, (order, payment): (&'static str, &'static str)) -> Result<(), Failed> {
    let house = House::build(Plan::on(on).order_fails(order).payment_fails(payment)).await?;
    let mut record = Record::of(1, "key", super::MINOR);
    house.customers.hang_up_after(PATIENCE, &mut record).await;
    stands(&house, Some("PAID")).await?;
    expect(&house, &mut record, Told::Replayed).await?;
    conclude(house, &[record]).await
}
