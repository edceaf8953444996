//! Random schedules: a seed draws the databases, the instances, what goes wrong and when; 200 orders are placed
//! meanwhile, then everything is healed, everything settles, and what customers were told is held against the books.
//!
//! A seed draws the same schedule again; how processes are scheduled, it cannot.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use test_support::{Failed, Trial, check, server::Kind};
use tokio::task::JoinSet;

use crate::{
    books::On,
    dice::Dice,
    house::{CREDIT_LIMIT, House, Plan},
    judge::judge,
};

mod mischief;
mod points;
mod shoppers;

use mischief::{Mischief, Tally};

/// Schedules on SQLite that are run unless `SCHEDULES` says otherwise.
const SCHEDULES_DEFAULT: u64 = 20;
/// Schedules that run at once: each waits most of the time.
const AT_ONCE: usize = 6;
/// How long things go wrong, unless all orders are placed before.
const MISCHIEF_MAX: Duration = Duration::from_secs(8);
/// How soon after that every customer who insists knows how it ended.
const ENDED_MAX: Duration = Duration::from_secs(90);
const REQUEST_TIMEOUT: Duration = Duration::from_millis(1500);

pub(crate) fn trials() -> Vec<Trial> {
    let seeds = seeds();
    let kinds = Kind::ALL.into_iter().filter(|kind| seeds.iter().any(|seed| on(*seed) == On::Server(*kind)));
    let needs: Vec<_> = kinds.map(Kind::need).collect();
    vec![crate::shared("random::schedules_end_well", &needs, || run(seeds))]
}

/// `SCHEDULE_SEED` names one schedule, `SCHEDULES` how many over all databases; else there are some on SQLite.
fn seeds() -> Vec<u64> {
    let number = |name: &str| crate::variable(name).parse().ok();
    match (number("SCHEDULE_SEED"), number("SCHEDULES")) {
        (Some(seed), _) => vec![seed],
        (None, Some(schedules)) => (0..schedules).collect(),
        (None, None) => (0..SCHEDULES_DEFAULT).map(|schedule| schedule * On::ALL.len() as u64).collect(),
    }
}

/// The databases of this schedule: those of one seed never change.
fn on(seed: u64) -> On {
    On::ALL[usize::try_from(seed % On::ALL.len() as u64).expect("an index")]
}

async fn run(seeds: Vec<u64>) -> Result<(), Failed> {
    let (started, schedules) = (Instant::now(), seeds.len());
    let (mut waiting, mut running) = (seeds.into_iter(), JoinSet::new());
    let (mut sum, mut failed) = (Outcome::default(), Vec::new());
    loop {
        while running.len() < AT_ONCE
            && let Some(seed) = waiting.next()
        {
            running.spawn(async move { (seed, tokio::spawn(schedule(seed)).await) });
        }
        let Some(ended) = running.join_next().await else { break };
        let (seed, ended) = ended?;
        match ended.map_err(Failed::from).and_then(|outcome| outcome) {
            Ok(outcome) => sum.add(outcome),
            Err(error) => {
                let why = error.message().unwrap_or("failed").to_owned();
                let why = format!("SCHEDULE_SEED={seed} ({}): {why}", on(seed).name());
                crate::say(&why);
                failed.push(why);
            }
        }
    }
    crate::say(&format!("{schedules} schedules in {:.0?}: {sum}", started.elapsed()));
    check(failed.is_empty(), || failed.join("\n"))
}

/// One schedule, from building the house to judging it.
async fn schedule(seed: u64) -> Result<Outcome, Failed> {
    let mut dice = Dice::of(seed);
    let on = on(seed);
    let instances = if on == On::Sqlite { 1 } else { usize::try_from(dice.within(1..=2))? };
    let mut plan = Plan::on(on).instances(instances).request_timeout(REQUEST_TIMEOUT);
    if dice.within(0..=1) == 1 {
        plan = plan.balanced();
    }
    if dice.percent(70) {
        plan = plan.proxied();
    }
    let mut mischief = Mischief::drawn(&mut dice);
    let plan = plan.order_fails(mischief.order_points()).payment_fails(mischief.payment_points());
    let mut house = House::build(plan).await?;
    let shopping = shoppers::start(&house.customers, &mut dice);
    let until = Instant::now() + MISCHIEF_MAX;
    while Instant::now() < until && !shopping.is_over() {
        mischief.make(&mut house).await?;
    }
    mischief.heal(&mut house).await?;
    let healed = Instant::now();
    let records = shopping.end(healed + ENDED_MAX).await?;
    house.settle().await?;
    let settled = healed.elapsed();
    let entries = house.books.entries().await?;
    judge(&records, &entries)?;
    shoppers::see_what_they_bought(&house.customers, &records).await?;
    let tally = mischief.tally(&house);
    house.leave();
    Ok(Outcome::of(&records, entries.orders.len(), tally, settled))
}

/// What came of one schedule, or of all.
#[derive(Debug, Default)]
struct Outcome {
    orders: usize,
    answers: BTreeMap<String, usize>,
    tally: Tally,
    /// The longest time from healing to the last customer's last answer.
    settled: Duration,
}

impl Outcome {
    fn of(records: &[crate::customer::Record], orders: usize, tally: Tally, settled: Duration) -> Self {
        let mut answers = BTreeMap::new();
        for attempt in records.iter().flat_map(|record| &record.attempts) {
            let name = attempt.answer.as_ref().map_or_else(
                || "no answer".to_owned(),
                |answer| format!("{} {}", answer.status, answer.reason).trim().to_owned(),
            );
            *answers.entry(name).or_default() += 1;
        }
        Self { orders, answers, tally, settled }
    }

    fn add(&mut self, other: Self) {
        self.orders += other.orders;
        for (name, count) in other.answers {
            *self.answers.entry(name).or_default() += count;
        }
        self.tally.add(&other.tally);
        self.settled = self.settled.max(other.settled);
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} orders; {}; all ended at most {:.1?} after healing; answers:",
            self.orders, self.tally, self.settled
        )?;
        self.answers.iter().try_for_each(|(name, count)| write!(f, " {count} × {name},"))
    }
}

/// What nobody has the credit for, in minor units.
const TOO_DEAR: i64 = CREDIT_LIMIT * 100 + 1;
