//! Payment stopped, and Payment frozen in the middle of a charge: what is said meanwhile, and how it ends.

use std::time::{Duration, Instant};

use test_support::{Failed, Trial, check};
use tokio::task::JoinSet;

use crate::{
    books::On,
    customer::{Answer, Record},
    house::{House, Plan},
    judge::judge,
};

/// How soon after Payment's return an order that it was working on is settled.
const SETTLED_MAX: Duration = Duration::from_secs(5);
/// How long Payment is frozen: shorter, and longer, than a connection that does not answer is kept (15 s).
const FREEZES: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(18)];
const POLL: Duration = Duration::from_millis(25);
/// Orders that are placed at a frozen Payment, and how long what is late may take to show.
const CROWD: i64 = 1000;
const LATE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn trials(on: On) -> Vec<Trial> {
    let named = |what: &str| format!("{}::outage::{what}", on.name());
    vec![
        crate::shared(&named("a_payment_that_is_down_charges_nothing_and_says_so"), &on.needs(), move || {
            down(on)
        }),
        crate::shared(
            &named("a_payment_frozen_in_mid_charge_charges_once"),
            &on.needs(),
            move || async move {
                let [short, long] = FREEZES;
                let (short, long) = tokio::join!(frozen(on, short), frozen(on, long));
                short.and(long)
            },
        ),
        crate::shared(
            &named("a_payment_frozen_under_load_charges_nobody_who_was_told_otherwise"),
            &on.needs(),
            move || crowded(on),
        ),
    ]
}

async fn down(on: On) -> Result<(), Failed> {
    let mut house = House::build(Plan::on(on)).await?;
    let mut record = Record::of(1, "key", 12);
    house.payments[0].terminate().await?;
    let refused = told(&house, &mut record).await?;
    let as_promised = (refused.status, refused.reason.as_str()) == (503, "NOT_CHARGED");
    check(as_promised && refused.retry_after.is_some(), || format!("{refused:?}"))?;
    let entries = house.books.entries().await?;
    judge(std::slice::from_ref(&record), &entries)?;
    check(entries.orders[0].status == "NOT_CHARGED", || format!("{entries:?}"))?;

    house.payments[0].start(&[]).await?;
    // Order waits a moment between two attempts to connect.
    check(house.customers.insist(&mut record, Instant::now() + PATIENCE).await, || format!("{record:?}"))?;
    let last = record.answers().last().ok_or("no answer")?;
    check(last.status == 201 && !last.replayed && last.order == refused.order, || format!("{last:?}"))?;
    conclude(house, record).await
}

async fn frozen(on: On, freeze: Duration) -> Result<(), Failed> {
    let point = "ledger.charge.before";
    let house = House::build(Plan::on(on).payment_fails(format!("{point}=delay:700@1"))).await?;
    let mut record = Record::of(1, "key", 12);
    let (answer, frozen) = tokio::join!(told(&house, &mut record), async {
        while !house.payments[0].logged().contains(point) {
            tokio::time::sleep(POLL).await;
        }
        house.payments[0].freeze()
    });
    frozen?;
    let unknown = answer?;
    let as_promised = (unknown.status, unknown.reason.as_str()) == (504, "OUTCOME_UNKNOWN");
    let order = unknown.order.filter(|_| as_promised).ok_or_else(|| format!("{unknown:?}"))?;
    tokio::time::sleep(freeze).await;
    house.payments[0].thaw()?;
    let thawed = Instant::now();
    while house.customers.show(order).await.is_none_or(|answer| answer.body["status"] != "PAID") {
        check(thawed.elapsed() < SETTLED_MAX, || format!("not PAID {SETTLED_MAX:?} after {freeze:?}"))?;
        tokio::time::sleep(POLL).await;
    }
    crate::say(&format!("{}: frozen for {freeze:?}, settled {:?} after", on.name(), thawed.elapsed()));
    let replay = told(&house, &mut record).await?;
    check(replay.status == 201 && replay.replayed && replay.order == Some(order), || format!("{replay:?}"))?;
    conclude(house, record).await
}

/// Calls that wait for a Payment that is frozen until their connection is given up: some lie in its socket, and run
/// when it goes on; some never left Order.
async fn crowded(on: On) -> Result<(), Failed> {
    let house = House::build(Plan::on(on)).await?;
    let mut first = Record::of(1, "first", 12);
    told(&house, &mut first).await?;
    house.payments[0].freeze()?;
    let mut asking = JoinSet::new();
    for number in 0..CROWD {
        let customers = house.customers.clone();
        asking.spawn(async move {
            let mut record = Record::of(number % 20 + 1, format!("crowd-{number}"), 12);
            customers.attempt(&mut record).await;
            record
        });
    }
    let mut records = asking.join_all().await;
    records.push(first);
    tokio::time::sleep(FREEZES[1]).await;
    house.payments[0].thaw()?;
    house.settle().await?;
    let entries = house.books.entries().await?;
    let not_charged = entries.orders.iter().filter(|order| order.status == "NOT_CHARGED").count();
    crate::say(&format!("{}: of {CROWD} calls of a frozen Payment, {not_charged} never ran", on.name()));
    // What lay in its socket may run now: as long as that takes, nothing may change.
    tokio::time::sleep(LATE).await;
    judge(&records, &house.books.entries().await?)?;
    house.leave();
    Ok(())
}

async fn told(house: &House, record: &mut Record) -> Result<Answer, Failed> {
    house.customers.attempt(record).await.ok_or_else(|| "no answer".into())
}

async fn conclude(house: House, record: Record) -> Result<(), Failed> {
    let entries = house.books.entries().await?;
    judge(&[record], &entries)?;
    check(entries.payments.len() == 1, || format!("charged other than once: {entries:?}"))?;
    house.leave();
    Ok(())
}
