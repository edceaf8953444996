//! A thousand orders that their driver left PENDING settle soon after everything is there again.

use std::time::{Duration, Instant};

use test_support::{Failed, Trial, check, trial};
use tokio::task::JoinSet;

use crate::{
    books::On,
    customer::{Customers, Record},
    house::{House, Plan},
    judge::judge,
};

const ORPHANS: usize = 1000;
/// Who ask for them.
const CUSTOMERS: usize = 32;
/// No call of Order reaches Payment, and Order does not know that.
const NEVER_ANSWERED: &str = "payments.charge.before=error";
/// Of a hundred orphans, 99 are settled so soon after Order and Payment can be called again. An unoptimised build, on a
/// machine that does other things, is not held to what is promised; it must come to an end.
const P99_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 45 } else { 5 });
const ALL_MAX: Duration = Duration::from_secs(60);
/// Seldom: on a server each look is a new connection.
const POLL: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(300);

pub(crate) fn trials(on: On) -> Vec<Trial> {
    let name = format!("{}::orphans::a_thousand_settle_soon", on.name());
    vec![trial(&name, &on.needs(), move || settle(on))]
}

async fn settle(on: On) -> Result<(), Failed> {
    // What is measured here is not to be that other trials run.
    let _alone = crate::MACHINE.write().await;
    let mut house = House::build(Plan::on(on).order_fails(NEVER_ANSWERED)).await?;
    let records = leave_orphans(&mut house).await?;

    let (payment, order) = (&mut house.payments[0], &mut house.orders[0]);
    let (payment, order) = tokio::join!(payment.start(&[]), order.start(&[]));
    payment.and(order)?;
    let healed = Instant::now();
    let mut p99 = None;
    loop {
        let pending = usize::try_from(house.books.pending().await?)?;
        if pending <= ORPHANS / 100 && p99.is_none() {
            p99 = Some(healed.elapsed());
        }
        if pending == 0 {
            break;
        }
        check(healed.elapsed() < ALL_MAX, || format!("{pending} orphans are left"))?;
        tokio::time::sleep(POLL).await;
    }
    let (p99, all) = (p99.unwrap_or_default(), healed.elapsed());
    crate::say(&format!("{}: {ORPHANS} orphans settled: p99 {p99:?}, all {all:?}", on.name()));
    judge(&records, &house.books.entries().await?)?;
    check(p99 <= P99_MAX, || format!("p99 of {ORPHANS} orphans: {p99:?}"))?;
    house.leave();
    Ok(())
}

/// Customers place orders that are not known to be charged; then Order and Payment are killed.
async fn leave_orphans(house: &mut House) -> Result<Vec<Record>, Failed> {
    let mut asking = JoinSet::new();
    for first in 0..CUSTOMERS {
        let customers = house.customers.clone();
        asking.spawn(async move {
            let mut records = Vec::new();
            for number in (first..ORPHANS).step_by(CUSTOMERS) {
                records.push(ask(&customers, number).await);
            }
            records
        });
    }
    let records: Vec<Record> = asking.join_all().await.into_iter().flatten().collect();
    let pending = house.books.pending().await?;
    check(pending == i64::try_from(ORPHANS)?, || format!("{pending} orders are PENDING"))?;
    house.orders[0].kill().await?;
    house.payments[0].kill().await?;
    Ok(records)
}

/// Asks for an order until it is known by an id.
async fn ask(customers: &Customers, number: usize) -> Record {
    let user = i64::try_from(number % 100 + 1).expect("a small number");
    let mut record = Record::of(user, format!("orphan-{number}"), 12);
    let deadline = Instant::now() + ALL_MAX;
    while Instant::now() < deadline {
        let answer = customers.attempt(&mut record).await;
        if answer.is_some_and(|answer| answer.order.is_some()) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    record
}
