//! An order that has been PENDING for long is given up, and that fails; a charge that was on its way comes after it.

use std::time::Duration;

use test_support::{Failed, Trial, check};

use super::{Told, all, conclude, expect, late::charge_again, stands};
use crate::{
    books::{On, Whose},
    customer::Record,
    house::{House, Plan, fails},
};

/// Longer than an order may be PENDING (15 min).
const LONG_AGO: Duration = Duration::from_secs(16 * 60);

/// How giving up goes wrong.
#[derive(Debug, Clone, Copy)]
struct Case {
    order: &'static str,
    payment: &'static str,
    dies: Option<Whose>,
}

const fn order(points: &'static str, dies: Option<Whose>) -> Case {
    Case { order: points, payment: "", dies }
}

const fn payment(points: &'static str, dies: Option<Whose>) -> Case {
    Case { order: "", payment: points, dies }
}

const CASES: &[Case] = &[
    order("payments.void.before=kill@1", Some(Whose::Order)),
    order("payments.void.before=error@1", None),
    order("payments.void.after=kill@1", Some(Whose::Order)),
    order("payments.void.after=error@1", None),
    order("payments.void.after=delay:1500@1", None),
    order("orders.settle.before=kill@1", Some(Whose::Order)),
    order("orders.settle.after=kill@1", Some(Whose::Order)),
    payment("ledger.void.before=kill@1", Some(Whose::Payment)),
    payment("ledger.void.before=error@1", None),
    payment("commit.before=kill@1", Some(Whose::Payment)),
    payment("commit.before=error@1", None),
    payment("commit.after=kill@1", Some(Whose::Payment)),
    payment("commit.after=error@1", None),
    payment("ledger.void.after=kill@1", Some(Whose::Payment)),
    payment("ledger.void.after=error@1", None),
];

pub(super) fn trial(on: On) -> Trial {
    let name = format!("{}::crashes::voiding", on.name());
    crate::shared(&name, &on.needs(), move || async move {
        all(CASES, move |case| given_up(on, case)).await?;
        charged_before(on).await
    })
}

async fn given_up(on: On, case: Case) -> Result<(), Failed> {
    let never_charged = "payments.charge.before=error";
    let mut house = House::build(Plan::on(on).order_fails(never_charged).payment_fails(case.payment)).await?;
    let mut record = Record::of(1, "key", super::MINOR);
    expect(&house, &mut record, Told::Unknown).await?;
    age(&mut house, case.order).await?;
    match case.dies {
        Some(Whose::Order) => house.orders[0].died().await?,
        Some(Whose::Payment) => house.payments[0].died().await?,
        None => {}
    }
    house.revive().await?;
    stands(&house, Some("VOIDED")).await?;
    let order = house.books.orders().await?[0].id;
    let told = charge_again(&house, 1, order, super::MINOR).await?;
    check(told == Err("VOIDED".to_owned()), || format!("a charge after Void was told {told:?}"))?;
    expect(&house, &mut record, Told::Voided).await?;
    conclude(house, &[record]).await
}

/// Whoever gives an order up that was charged without anybody's hearing of it, finds the charge.
async fn charged_before(on: On) -> Result<(), Failed> {
    let mut house = House::build(Plan::on(on).order_fails("payments.charge.after=error")).await?;
    let mut record = Record::of(1, "key", super::MINOR);
    expect(&house, &mut record, Told::Unknown).await?;
    age(&mut house, "").await?;
    stands(&house, Some("PAID")).await?;
    expect(&house, &mut record, Told::Replayed).await?;
    conclude(house, &[record]).await
}

/// Ends Order, makes what is PENDING old, and starts Order again, so that it fails at `points`.
async fn age(house: &mut House, points: &str) -> Result<(), Failed> {
    house.orders[0].kill().await?;
    let ms = LONG_AGO.as_millis();
    let sql = format!("UPDATE orders SET pending_since_ms = pending_since_ms - {ms}, next_check_at_ms = 0");
    check(house.books.change(Whose::Order, &sql).await? == 1, || "there is no order to age".to_owned())?;
    house.orders[0].spawn(&fails(points))
}
