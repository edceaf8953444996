//! The database server is killed and restarted ten times under load.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use all_in_one::System;
use system_tests::client::{Client, History};
use test_support::{
    Failed, Trial, check,
    server::{Kind, Server},
    trial,
};
use tokio::task::JoinSet;

use crate::{
    orders::{check_databases, check_paid, new_order, place},
    start_two_systems, with_causes,
};

const KILLS: usize = 10;
const CONCURRENCY: usize = 64;
/// Orders that are paid between two kills.
const ORDERS_BETWEEN: usize = 100;
/// The most orders, however fast the machine is.
const ORDERS_MAX: usize = 20_000;
/// The time from the server's restart to the next paid order. An unoptimised build on a busy machine must
/// only recover.
const RECOVERY_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 5 });
/// How long an order may take that a kill interrupted.
const SETTLED_MAX: Duration = Duration::from_secs(90);
/// How long an order is retried before it is left for the end.
const RETRY_MAX: Duration = Duration::from_secs(2);

pub(crate) fn trials(kind: Kind) -> Vec<Trial> {
    let name = format!("{}::ten_kills_under_load_lose_nothing_and_charge_nothing_twice", kind.name());
    vec![trial(&name, &[kind.need()], move || kill_under_load(kind))]
}

/// What all clients share.
#[derive(Default)]
struct Progress {
    next: AtomicUsize,
    paid: AtomicUsize,
    stop: AtomicBool,
    /// The id of each paid order, by its key.
    ids: Mutex<BTreeMap<String, i64>>,
    open: Mutex<Vec<History>>,
}

impl Progress {
    fn record_paid(&self, history: &History, id: i64) {
        let key = history.request.key.clone();
        let before = self.ids.lock().unwrap().insert(key, id);
        assert!(before.is_none_or(|before| before == id), "{:?} is two orders", history.request);
        self.paid.fetch_add(1, Ordering::Relaxed);
    }

    /// Places one order after the other, and leaves those for later that a kill interrupted.
    async fn place_orders(&self, client: &Client) {
        while !self.stop.load(Ordering::Relaxed) {
            let mut history = new_order(self.next.fetch_add(1, Ordering::Relaxed));
            match place(client, &mut history, RETRY_MAX).await {
                Some(id) => self.record_paid(&history, id),
                None => self.open.lock().unwrap().push(history),
            }
        }
    }

    async fn wait_for_paid(&self, more: usize) -> Result<(), Failed> {
        let target = self.paid.load(Ordering::Relaxed) + more;
        let deadline = Instant::now() + SETTLED_MAX;
        while self.paid.load(Ordering::Relaxed) < target {
            check(Instant::now() < deadline, || "no more orders are paid".to_owned())?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

async fn kill_under_load(kind: Kind) -> Result<(), Failed> {
    let server = Server::start(kind).await?;
    for name in ["orders", "payments"] {
        server.create_database(name).await?;
    }
    let systems = start_two_systems(&server, "orders", "payments").await?;
    let client = Client::new(systems.iter().map(System::gateway_url));
    let progress = Arc::new(Progress::default());
    let mut placing = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (client, progress) = (client.clone(), progress.clone());
        placing.spawn(async move { progress.place_orders(&client).await });
    }
    for kill in 0..KILLS {
        progress.wait_for_paid(ORDERS_BETWEEN).await?;
        server.kill()?;
        server.restart().await?;
        let restarted = Instant::now();
        progress.wait_for_paid(1).await?;
        check(restarted.elapsed() < RECOVERY_MAX, || {
            format!("kill {kill}: {:?} until a paid order", restarted.elapsed())
        })?;
        check(progress.next.load(Ordering::Relaxed) < ORDERS_MAX, || "too many orders".to_owned())?;
    }
    progress.stop.store(true, Ordering::Relaxed);
    placing.join_all().await;
    settle_open(&client, &progress).await?;
    let ids = progress.ids.lock().unwrap().clone();
    for (index, id) in ids.values().enumerate() {
        check_paid(&client, index, *id).await?;
    }
    check_databases(&server, "orders", "payments", ids.len()).await?;
    for system in systems {
        system.stop().await.map_err(with_causes)?;
    }
    Ok(())
}

/// Retries the orders that kills interrupted.
async fn settle_open(client: &Client, progress: &Progress) -> Result<(), Failed> {
    let open = std::mem::take(&mut *progress.open.lock().unwrap());
    let mut settling = JoinSet::new();
    for mut history in open {
        let client = client.clone();
        settling.spawn(async move { (place(&client, &mut history, SETTLED_MAX).await, history) });
    }
    for (id, history) in settling.join_all().await {
        progress.record_paid(&history, id.ok_or_else(|| format!("not settled: {history:?}"))?);
    }
    Ok(())
}
