//! Order and Payment restarted one after the other, again and again, while customers place orders: whoever tries
//! again once, with its key, at the other gateway, sees no error.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use test_support::{Failed, Trial, check, server::Kind};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    books::On,
    customer::{Customers, Record},
    house::{House, Plan},
    judge::judge,
};

/// At least so many orders: an unoptimised build takes a minute for what an optimised one does in seconds.
const ORDERS: usize = if cfg!(debug_assertions) { 2_000 } else { 10_000 };
/// At least so many restarts: each of the four services, twice.
const RESTARTS: usize = 8;
/// How long a service has to be ready before the next is stopped: longer than whoever tries again waits (1 s).
const READY_MIN: Duration = Duration::from_secs(2);
const CONCURRENCY: usize = 24;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Who tries again waits as long as it was told, or so long.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) fn trials(kind: Kind) -> Vec<Trial> {
    let name = format!("{}::rolling_restarts_are_invisible_to_who_tries_again", kind.name());
    vec![crate::shared(&name, &[kind.need()], move || roll(kind))]
}

async fn roll(kind: Kind) -> Result<(), Failed> {
    let plan = Plan::on(On::Server(kind)).instances(2).balanced().request_timeout(REQUEST_TIMEOUT);
    let mut house = House::build(plan).await?;
    let started = Instant::now();
    let (next, over) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    let mut buying = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (customers, next, over) = (house.customers.clone(), next.clone(), over.clone());
        buying.spawn(async move { buy(&customers, &next, &over).await });
    }
    let mut restarts = 0;
    while restarts < RESTARTS || next.load(Ordering::Relaxed) < ORDERS {
        restart_one(&mut house, restarts).await?;
        restarts += 1;
        tokio::time::sleep(READY_MIN).await;
    }
    over.cancel();
    let records: Vec<Record> = buying.join_all().await.into_iter().flatten().collect();
    let took = started.elapsed();
    let attempts = |more: usize| records.iter().filter(|record| record.attempts.len() > more).count();
    crate::say(&format!(
        "{}: {} orders in {took:?}, {restarts} restarts; {} tried again, {} more than once",
        kind.name(),
        records.len(),
        attempts(1),
        attempts(2),
    ));
    let entries = house.books.entries().await?;
    judge(&records, &entries)?;
    check(entries.orders.len() == records.len(), || format!("{} orders are kept", entries.orders.len()))?;
    let failed = records.iter().find(|record| record.attempts.len() > 2 || !record.has_ended());
    check(failed.is_none(), || format!("an error after trying again: {failed:?}"))?;
    house.leave();
    Ok(())
}

async fn buy(customers: &Customers, next: &AtomicUsize, over: &CancellationToken) -> Vec<Record> {
    let mut records = Vec::new();
    while !over.is_cancelled() {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let user = i64::try_from(number % 1000 + 1).expect("a small number");
        let mut record = Record::of(user, format!("order-{number}"), 12);
        // More than twice only to see how it ends: that is a failure.
        for attempt in 0..10 {
            let answer = customers.attempt_at(number + attempt, &mut record).await;
            if record.has_ended() {
                break;
            }
            let after = answer.and_then(|answer| answer.retry_after).map(Duration::from_secs);
            tokio::time::sleep(after.unwrap_or(PAUSE)).await;
        }
        records.push(record);
    }
    records
}

/// Stops the next service by SIGTERM, and starts it again.
async fn restart_one(house: &mut House, turn: usize) -> Result<(), Failed> {
    let instance = turn / 2 % house.orders.len();
    let service =
        if turn.is_multiple_of(2) { &mut house.payments[instance] } else { &mut house.orders[instance] };
    service.terminate().await?;
    service.start(&[]).await
}
