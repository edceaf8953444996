//! Group commit on SQLite, compared with one transaction per write: orders per second of the store of orders.
//!
//!     cargo bench -p system-tests --bench commits
//!
//! An order is two writes, an INSERT as PENDING and the settlement as PAID, each committed and synced
//! (`synchronous=FULL`). 1, 16 and 64 tasks write orders for 2 s: to a file where up to 64 writes share a
//! commit, and to one with a commit per write. 7 interleaved rounds; prints the medians.

#![allow(
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::print_stdout,
    reason = "a bench computes and prints figures"
)]

#[path = "../shared/figures.rs"]
mod figures;
#[path = "../shared/store.rs"]
mod store;

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

use database::{Config, DatabaseUrl};
use figures::{Failure, median};
use mimalloc::MiMalloc;
use order::adapters::db::DbOrders;
use tempfile::TempDir;
use tokio::task::JoinSet;

const CONCURRENCY: [usize; 3] = [1, 16, 64];
const GROUPS: [usize; 2] = [64, 1];
const ROUNDS: usize = 7;
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(2);
const USERS: i64 = 1000;

/// The allocator of the services.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> Result<(), Failure> {
    if !figures::is_bench_run() {
        return Ok(());
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure())
}

async fn measure() -> Result<(), Failure> {
    let directory = TempDir::new()?;
    let mut stores = Vec::new();
    for group_max in GROUPS {
        let url = format!("sqlite://{}/{group_max}.db", directory.path().display());
        let config = Config { group_max, ..Config::new(DatabaseUrl::parse("sqlite", &url)?) };
        let store = store::open(&config).await?;
        per_second(&store, 16, WARM_UP).await?;
        stores.push(store);
    }
    let mut rounds = vec![vec![Vec::new(); GROUPS.len()]; CONCURRENCY.len()];
    for round in 0..ROUNDS {
        for (cells, concurrency) in rounds.iter_mut().zip(CONCURRENCY) {
            for turn in 0..GROUPS.len() {
                // The order alternates from round to round.
                let turn = (turn + round) % GROUPS.len();
                cells[turn].push(per_second(&stores[turn], concurrency, MEASURED).await?);
            }
        }
    }
    println!(
        "| concurrent orders | orders/s, grouped | orders/s, a transaction each | ratio |\n|---|---|---|---|"
    );
    for (cells, concurrency) in rounds.into_iter().zip(CONCURRENCY) {
        let medians: Vec<f64> = cells.into_iter().map(median).collect();
        let (grouped, alone) = (medians[0], medians[1]);
        println!("| {concurrency} | {grouped:.0} | {alone:.0} | {:.2} |", grouped / alone);
    }
    Ok(())
}

/// Orders per second of `concurrency` tasks.
async fn per_second(store: &DbOrders, concurrency: usize, duration: Duration) -> Result<f64, Failure> {
    static NEXT: AtomicI64 = AtomicI64::new(1);
    let started = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..concurrency {
        let store = store.clone();
        workers.spawn(async move {
            let mut orders = 0_u32;
            while started.elapsed() < duration {
                let id = NEXT.fetch_add(1, Ordering::Relaxed);
                store::create(&store, id, id % USERS + 1).await?;
                orders += 1;
            }
            Ok::<_, Failure>(orders)
        });
    }
    let mut orders = 0;
    while let Some(result) = workers.join_next().await {
        orders += result??;
    }
    Ok(f64::from(orders) / started.elapsed().as_secs_f64())
}
