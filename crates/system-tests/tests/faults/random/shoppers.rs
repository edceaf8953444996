//! The customers of a schedule: most insist until they know how it ended, some hang up, some never come back, some
//! use one key twice, and some want what they cannot pay for.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use test_support::{Failed, check};
use tokio::{sync::watch, task::JoinSet};

use super::TOO_DEAR;
use crate::{
    customer::{Customers, Record},
    dice::Dice,
};

const ORDERS: usize = 200;
const CONCURRENCY: usize = 16;
/// An insistent customer asks for so long where nobody says that it has to end.
const PATIENCE: Duration = Duration::from_secs(180);
/// Of how many paid orders one is looked at again.
const SEEN: usize = 8;

/// What a customer is like.
#[derive(Debug, Clone)]
struct Shopper {
    record: Record,
    /// Hangs up on the first attempt after so long.
    hangs_up: Option<Duration>,
    /// Takes whatever the first answer is.
    comes_once: bool,
    /// How long it takes to make up its mind: without that all would be over before anything goes wrong.
    thinks: Duration,
}

/// Customers who are at it.
#[derive(Debug)]
pub(super) struct Shopping {
    left: Arc<AtomicUsize>,
    buying: JoinSet<Vec<Record>>,
    until: watch::Sender<Instant>,
}

/// Sends the customers off.
pub(super) fn start(customers: &Customers, dice: &mut Dice) -> Shopping {
    let shoppers: Vec<Shopper> = (0..ORDERS).map(|number| shopper(number, dice)).collect();
    let left = Arc::new(AtomicUsize::new(shoppers.len()));
    let waiting = Arc::new(Mutex::new(shoppers));
    let (until, hurry) = watch::channel(Instant::now() + PATIENCE);
    let mut buying = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (customers, waiting, left, hurry) =
            (customers.clone(), waiting.clone(), left.clone(), hurry.clone());
        buying.spawn(async move {
            let mut records = Vec::new();
            loop {
                let next = waiting.lock().expect("no panic while it is held").pop();
                let Some(shopper) = next else { return records };
                records.push(buy(&customers, shopper, &hurry).await);
                left.fetch_sub(1, Ordering::Relaxed);
            }
        });
    }
    Shopping { left, buying, until }
}

fn shopper(number: usize, dice: &mut Dice) -> Shopper {
    let user = i64::try_from(dice.within(1..=20)).expect("a small number");
    let minor =
        if dice.percent(5) { TOO_DEAR } else { i64::try_from(dice.within(1..=99_99)).expect("a price") };
    // Now and then the same purchase as the one before, by another hand, at the same time.
    let twin = number % 20 == 1;
    let (user, minor, key) = match twin {
        true => (7, 700, format!("twins-{}", number / 20)),
        false if number % 20 == 2 => (7, 700, format!("twins-{}", number / 20)),
        false => (user, minor, format!("wish-{number}")),
    };
    Shopper {
        record: Record::of(user, key, minor),
        hangs_up: dice.percent(10).then(|| dice.ms(1..=500)),
        comes_once: dice.percent(20),
        thinks: dice.ms(0..=600),
    }
}

async fn buy(customers: &Customers, shopper: Shopper, hurry: &watch::Receiver<Instant>) -> Record {
    let Shopper { mut record, hangs_up, comes_once, thinks } = shopper;
    tokio::time::sleep(thinks).await;
    if let Some(patience) = hangs_up {
        customers.hang_up_after(patience, &mut record).await;
    }
    if comes_once {
        customers.attempt(&mut record).await;
        return record;
    }
    while !record.has_ended() && Instant::now() < *hurry.borrow() {
        customers.insist(&mut record, Instant::now() + Duration::from_secs(1)).await;
    }
    record
}

impl Shopping {
    pub(super) fn is_over(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// What everybody was told; who insists has to have an answer by `until`.
    pub(super) async fn end(self, until: Instant) -> Result<Vec<Record>, Failed> {
        self.until.send_replace(until);
        let records: Vec<Record> = self.buying.join_all().await.into_iter().flatten().collect();
        let insisting = records.iter().filter(|record| record.attempts.len() > 2);
        let open = insisting.filter(|record| !record.has_ended()).map(|record| &record.purchase.key);
        let open: Vec<_> = open.collect();
        check(open.is_empty(), || format!("not ended long after everything was healed: {open:?}"))?;
        Ok(records)
    }
}

/// What was paid for is shown as PAID.
pub(super) async fn see_what_they_bought(customers: &Customers, records: &[Record]) -> Result<(), Failed> {
    let paid = records.iter().flat_map(Record::answers).filter(|answer| answer.status == 201);
    for answer in paid.step_by(SEEN) {
        let order = answer.order.ok_or("a 201 without an order")?;
        let shown = customers.show(order).await;
        let is_paid =
            shown.as_ref().is_some_and(|shown| shown.status == 200 && shown.body["status"] == "PAID");
        check(is_paid, || format!("{order} was PAID, and is shown as {shown:?}"))?;
    }
    Ok(())
}
