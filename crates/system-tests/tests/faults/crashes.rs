//! Every crash point of placing an order, hit on purpose: what its caller was told, and how it ends.
//!
//! | where it goes wrong | trial |
//! |---|---|
//! | before, at and after the INSERT and its COMMIT | `saving` |
//! | before the charge, in it, and with the reply in hand | `charging` |
//! | before, at and after settling | `settling` |
//! | the reconciler, after its claim, charge and settle | `reconciling` |
//! | Payment, before, at and after its COMMIT | `paying` |
//! | giving up: Void, before and after; a charge that comes too late | `voiding`, `late` |
//! | two instances on one order; the client gone; connections cut | `together`, `gone`, `cuts` |

use std::time::{Duration, Instant};

use test_support::{Failed, Trial, check};
use tokio::task::JoinSet;

use crate::{
    books::{On, OrderRow, Whose},
    customer::{Answer, Record},
    house::{House, Plan, fails},
    judge::judge,
};

mod charging;
mod cuts;
mod gone;
mod late;
mod paying;
mod reconciling;
mod saving;
mod settling;
mod together;
mod voiding;

/// How soon an order stands as it should, a restart of what died included.
const STANDS_MAX: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(25);
/// `REQUEST_TIMEOUT_MS` for a customer who is to be answered in time, also on a machine that is busy.
const IN_TIME: Duration = Duration::from_secs(10);
/// What every case buys.
const MINOR: i64 = 12;

/// What a customer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// 201, now.
    Paid,
    /// 201, as an earlier request was or would have been told.
    Replayed,
    /// 503: this request did nothing.
    NotStarted,
    /// 503: recorded as not charged.
    NotCharged,
    /// 504, with the id of the order.
    Unknown,
    /// 504 from a gateway whose Order is gone.
    UnknownUnnamed,
    /// 410.
    Voided,
}

impl Told {
    fn is(self, answer: &Answer) -> bool {
        let Answer { status, reason, order, replayed, retry_after, .. } = answer;
        let (named, again) = (order.is_some(), retry_after.is_some());
        match self {
            Self::Paid => *status == 201 && named && !replayed,
            Self::Replayed => *status == 201 && named && *replayed,
            Self::NotStarted => *status == 503 && reason == "NOT_STARTED" && again,
            Self::NotCharged => *status == 503 && reason == "NOT_CHARGED" && again && named,
            Self::Unknown => *status == 504 && reason == "OUTCOME_UNKNOWN" && named,
            Self::UnknownUnnamed => *status == 504 && reason == "OUTCOME_UNKNOWN" && !named,
            Self::Voided => *status == 410 && reason == "ORDER_VOIDED" && named,
        }
    }
}

/// One way to go wrong.
#[derive(Debug, Clone, Copy)]
struct Case {
    /// `FAULT_INJECTION` of Order and of Payment.
    order: &'static str,
    payment: &'static str,
    /// Who dies of it.
    dies: Option<Whose>,
    /// What the customer is told at first.
    told: Told,
    /// How the order stands then, without anybody's trying again; `None` where there is none.
    stands: Option<&'static str>,
    /// What the same key is told after that.
    again: Told,
}

impl Case {
    /// Order fails at `points`, the customer is told so, and the order ends PAID.
    const fn order(points: &'static str, told: Told) -> Self {
        let again = Told::Replayed;
        Self { order: points, payment: "", dies: None, told, stands: Some("PAID"), again }
    }

    const fn payment(points: &'static str, told: Told) -> Self {
        Self { order: "", payment: points, ..Self::order("", told) }
    }

    const fn dies(self, whose: Whose) -> Self {
        Self { dies: Some(whose), ..self }
    }

    /// Nothing is kept of it, and the same key starts anew.
    const fn absent(self) -> Self {
        Self { stands: None, again: Told::Paid, ..self }
    }

    /// It stands as NOT_CHARGED, and the same key tries again.
    const fn not_charged(self) -> Self {
        Self { stands: Some("NOT_CHARGED"), again: Told::Paid, ..self }
    }

    /// Whether the customer is to be told in time how it ended. In every other case it is late on purpose, or not known.
    fn in_time(self) -> bool {
        let delayed = [self.order, self.payment].iter().any(|points| points.contains("delay"));
        !delayed && ![self.told, self.again].contains(&Told::Unknown)
    }

    /// The names of the points.
    fn points(self) -> impl Iterator<Item = &'static str> {
        let rules = self.order.split(',').chain(self.payment.split(','));
        rules.filter_map(|rule| rule.split_once('=')).map(|(point, _)| point.trim())
    }
}

pub(crate) fn trials(on: On) -> Vec<Trial> {
    let of = |room: &str, cases: &'static [Case]| {
        let name = format!("{}::crashes::{room}", on.name());
        crate::shared(&name, &on.needs(), move || all(cases, move |case| one(on, case)))
    };
    let mut trials = vec![
        of("saving", saving::CASES),
        of("charging", charging::CASES),
        of("settling", settling::CASES),
        of("reconciling", reconciling::CASES),
        of("paying", paying::CASES),
    ];
    trials.extend([voiding::trial(on), late::trial(on), gone::trial(on), cuts::trial(on)]);
    trials.extend(together::trial(on));
    trials
}

/// Runs every case, some at a time; fails with all that failed.
async fn all<C, F>(cases: &'static [C], run: impl Fn(C) -> F) -> Result<(), Failed>
where
    C: std::fmt::Debug + Copy + Send + 'static,
    F: Future<Output = Result<(), Failed>> + Send + 'static,
{
    const AT_ONCE: usize = 4;
    let (mut waiting, mut running, mut failed) = (cases.iter().copied(), JoinSet::new(), Vec::new());
    loop {
        while running.len() < AT_ONCE
            && let Some(case) = waiting.next()
        {
            let run = run(case);
            running.spawn(async move {
                run.await.map_err(|error| format!("{case:?}: {}", error.message().unwrap_or("failed")))
            });
        }
        match running.join_next().await {
            Some(ended) => failed.extend(ended?.err()),
            None if failed.is_empty() => return Ok(()),
            None => return Err(failed.join("\n").into()),
        }
    }
}

async fn one(on: On, case: Case) -> Result<(), Failed> {
    let mut plan = Plan::on(on).without_retries().order_fails(case.order).payment_fails(case.payment);
    if case.in_time() {
        plan = plan.request_timeout(IN_TIME);
    }
    let mut house = House::build(plan).await?;
    let mut record = Record::of(1, "key", MINOR);
    expect(&house, &mut record, case.told).await?;
    match case.dies {
        Some(Whose::Order) => house.orders[0].died().await?,
        Some(Whose::Payment) => house.payments[0].died().await?,
        None => {}
    }
    house.revive().await?;
    stands(&house, case.stands).await?;
    expect(&house, &mut record, case.again).await?;
    let logged = house.services().map(|service| service.logged()).collect::<String>();
    for point in case.points() {
        check(logged.contains(&format!("\"point\":\"{point}\"")), || format!("{point} was not passed"))?;
    }
    if case.order.contains("twice") {
        delivered_twice(&house).await?;
    }
    conclude(house, &[record]).await
}

/// Tries once, and is told this.
async fn expect(house: &House, record: &mut Record, told: Told) -> Result<(), Failed> {
    let answer = house.customers.attempt_at(0, record).await;
    let as_expected = answer.as_ref().is_some_and(|answer| told.is(answer));
    check(as_expected, || format!("not {told:?}, but {answer:?}"))
}

/// Waits until the only order has this status; `None`: there is none now.
async fn stands(house: &House, status: Option<&str>) -> Result<(), Failed> {
    let deadline = Instant::now() + STANDS_MAX;
    loop {
        let rows = house.books.orders().await?;
        let found = rows.first().map(|row: &OrderRow| row.status.as_str());
        if found == status {
            return Ok(());
        }
        let waiting = status.is_some() && Instant::now() < deadline;
        check(waiting, || format!("stands as {found:?}, and not as {status:?}"))?;
        tokio::time::sleep(POLL).await;
    }
}

async fn delivered_twice(house: &House) -> Result<(), Failed> {
    let deadline = Instant::now() + STANDS_MAX;
    while !house.orders[0].logged().contains("a charge was delivered twice") {
        check(Instant::now() < deadline, || "no charge was delivered twice".to_owned())?;
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// Ends the house once everything is settled and the books were judged.
async fn conclude(house: House, records: &[Record]) -> Result<(), Failed> {
    house.settle().await?;
    judge(records, &house.books.entries().await?)?;
    house.leave();
    Ok(())
}

/// Ends Order as a crash would, and starts it so that it fails at `points`.
async fn restart_order(house: &mut House, index: usize, points: &str) -> Result<(), Failed> {
    house.orders[index].kill().await?;
    house.orders[index].start(&fails(points)).await
}
