//! The clients of a schedule. Most retry until a final response. Some disconnect, some never retry, some
//! share a key, and some order for more than their credit limit.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use system_tests::{
    client::{Client, History},
    rng::Rng,
};
use test_support::{Failed, check};
use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::cluster::CREDIT_LIMIT_MAJOR;

const ORDERS: usize = 200;
const CONCURRENCY: usize = 16;
/// How long a client retries before [`Workload::finish`] sets the end.
const RETRY_MAX: Duration = Duration::from_secs(180);
/// Every so many paid orders, one is read again.
const READ_EVERY: usize = 8;
/// Above every credit limit, in minor units.
const OVER_LIMIT_MINOR: i64 = CREDIT_LIMIT_MAJOR * 100 + 1;

/// One order, and what its client does.
#[derive(Debug, Clone)]
struct Task {
    history: History,
    /// Disconnects the first attempt after this time.
    disconnect_after: Option<Duration>,
    never_retries: bool,
    /// The delay before the first attempt, so that orders are placed for as long as there are faults.
    delay: Duration,
}

/// The running clients.
#[derive(Debug)]
pub(super) struct Workload {
    left: Arc<AtomicUsize>,
    clients: JoinSet<Vec<History>>,
    until: watch::Sender<Instant>,
}

pub(super) fn start(client: &Client, rng: &mut Rng) -> Workload {
    let tasks: Vec<Task> = (0..ORDERS).map(|number| task(number, rng)).collect();
    let left = Arc::new(AtomicUsize::new(tasks.len()));
    let waiting = Arc::new(Mutex::new(tasks));
    let (until, watched) = watch::channel(Instant::now() + RETRY_MAX);
    let mut clients = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (client, waiting, left, until) = (client.clone(), waiting.clone(), left.clone(), watched.clone());
        clients.spawn(async move {
            let mut histories = Vec::new();
            loop {
                let next = waiting.lock().expect("no panic while it is held").pop();
                let Some(task) = next else { return histories };
                histories.push(run(&client, task, &until).await);
                left.fetch_sub(1, Ordering::Relaxed);
            }
        });
    }
    Workload { left, clients, until }
}

fn task(number: usize, rng: &mut Rng) -> Task {
    let user = i64::try_from(rng.in_range(1..=20)).expect("a small number");
    let minor = if rng.chance_percent(5) {
        OVER_LIMIT_MINOR
    } else {
        i64::try_from(rng.in_range(1..=99_99)).expect("a price")
    };
    // Of every 20 orders, two consecutive ones are equal and have one key.
    let (user, minor, key) = match number % 20 {
        1 | 2 => (7, 700, format!("shared-{}", number / 20)),
        _ => (user, minor, format!("order-{number}")),
    };
    Task {
        history: History::new(user, key, minor),
        disconnect_after: rng.chance_percent(10).then(|| rng.ms(1..=500)),
        never_retries: rng.chance_percent(20),
        delay: rng.ms(0..=600),
    }
}

async fn run(client: &Client, task: Task, until: &watch::Receiver<Instant>) -> History {
    let Task { mut history, disconnect_after, never_retries, delay } = task;
    sleep(delay).await;
    if let Some(after) = disconnect_after {
        client.disconnect_when(sleep(after), &mut history).await;
    }
    if never_retries {
        client.attempt(&mut history).await;
        return history;
    }
    while !history.has_final_response() && Instant::now() < *until.borrow() {
        client.retry_until_final(&mut history, Instant::now() + Duration::from_secs(1)).await;
    }
    history
}

impl Workload {
    pub(super) fn is_finished(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// Waits for all clients. Those that retry must have a final response by `until`.
    pub(super) async fn finish(self, until: Instant) -> Result<Vec<History>, Failed> {
        self.until.send_replace(until);
        let histories: Vec<History> = self.clients.join_all().await.into_iter().flatten().collect();
        let retried = histories.iter().filter(|history| history.attempts.len() > 2);
        let open = retried.filter(|history| !history.has_final_response());
        let open: Vec<_> = open.map(|history| &history.request.key).collect();
        check(open.is_empty(), || format!("no final response long after healing: {open:?}"))?;
        Ok(histories)
    }
}

/// `GET /orders/{id}` returns PAID for orders whose response was 201.
pub(super) async fn read_paid_orders(client: &Client, histories: &[History]) -> Result<(), Failed> {
    let paid = histories.iter().flat_map(History::responses).filter(|response| response.status == 201);
    for response in paid.step_by(READ_EVERY) {
        let order = response.order.ok_or("a 201 without an order")?;
        let read = client.get_order(order).await;
        let is_paid = read.as_ref().is_some_and(|read| read.status == 200 && read.body["status"] == "PAID");
        check(is_paid, || format!("the response for {order} was PAID, and it reads {read:?}"))?;
    }
    Ok(())
}
