//! What becomes of the stack when it is asked for three times what it can do, and when a thousand clients are slow.
//!
//!     cargo bench -p stack --bench overload
//!
//! Runs gateway, Order and Payment, a process each of the bench profile, over fresh SQLite files on one core, and the load on
//! another (`taskset`):
//!
//! 1. capacity: closed loops of 16 to 128 connections, 6 s each; the best is the capacity;
//! 2. a half of the capacity for 5 s by an open loop, for the latency of a day like any other;
//! 3. three times the capacity for 30 s by an open loop, where every latency counts from the moment at which the request
//!    was due;
//! 4. a half of the capacity again, at once: what is still refused, how long, and the latency of what comes 2 s later;
//! 5. the orders in the database, which must be as many as there were 201s;
//! 6. one client that sends 50 orders a second, alone and beside 1,000 connections of clients that send their heads and
//!    bodies byte by byte, in turn.
//!
//! An answer that is neither 201 nor 503 NOT_STARTED voids the run, and so does the latter outside of 3 and 4.

#![allow(
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::print_stdout,
    reason = "it computes figures and prints them"
)]

#[path = "../shared/cpu.rs"]
mod cpu;
#[path = "../shared/figures.rs"]
mod figures;
#[path = "../shared/load.rs"]
mod load;
mod open_loop;
mod services;
mod slow;

use std::{process::Command, time::Duration};

use figures::Failure;
use load::Tokens;
use open_loop::{Outcome, Rate};
use services::Services;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

const SERVICES_CORE: &str = "0";
const LOAD_CORE: &str = "1";

/// All of the load comes from one address.
const CONNECTIONS: (&str, &str) = ("CONNECTIONS_PER_ADDRESS_MAX", "8192");

const WARM_UP: Duration = Duration::from_secs(3);
const CLOSED: [usize; 4] = [16, 32, 64, 128];
const CLOSED_FOR: Duration = Duration::from_secs(6);
const OVERLOAD: f64 = 3.0;
const OVERLOAD_FOR: Duration = Duration::from_secs(30);
const USUAL: f64 = 0.5;
const USUAL_FOR: Duration = Duration::from_secs(5);
const RECOVERY_MAX: Duration = Duration::from_secs(2);

fn main() -> Result<(), Failure> {
    if !figures::asked_for() {
        return Ok(());
    }
    // Before there is a second thread: all that come inherit it.
    let pid = std::process::id().to_string();
    let pinned = Command::new("taskset").args(["-cp", LOAD_CORE, &pid]).output()?;
    if !pinned.status.success() {
        return Err("taskset voids the run: two cores are needed".into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<(), Failure> {
    let stack = Services::start(SERVICES_CORE, &[CONNECTIONS]).await?;
    let mut placed = load::run(stack.gateway, &Tokens::default(), 32, WARM_UP).await?.orders();
    let mut best = 0.0_f64;
    for connections in CLOSED {
        let cpu = stack.cpu_seconds()?;
        let mut round = load::run(stack.gateway, &Tokens::default(), connections, CLOSED_FOR).await?;
        round.cpu_seconds = stack.cpu_seconds()? - cpu;
        println!(
            "closed loop, {connections} connections: {:.0}/s, p50 {:.1} ms, p99 {:.1} ms, {:.3} CPU s per 1,000 orders",
            round.per_second(),
            round.p50_ms,
            round.p99_ms,
            round.cpu_per_thousand()
        );
        best = best.max(round.per_second());
        placed += round.orders();
    }
    let usual = open_loop::run(stack.gateway, Rate::of(best * USUAL), USUAL_FOR).await?;
    usual.print("a half of the capacity, before");
    usual.demand_all_placed()?;
    let cpu = stack.cpu_seconds()?;
    let over = open_loop::run(stack.gateway, Rate::of(best * OVERLOAD), OVERLOAD_FOR).await?;
    let busy = (stack.cpu_seconds()? - cpu) / OVERLOAD_FOR.as_secs_f64() * 100.0;
    let after = open_loop::run(stack.gateway, Rate::of(best * USUAL), USUAL_FOR).await?;
    over.print("three times the capacity");
    after.print("a half of the capacity, after");
    println!("of a core: {busy:.0} % at three times the capacity");
    println!("goodput at three times the capacity: {:.1} % of the best", over.goodput() / best * 100.0);
    println!("shed in: p99 {:.1} ms, at most {:.1} ms", over.shed_ms(0.99), over.shed_ms(1.0));
    recovery(&usual, &after);
    placed += [&usual, &over, &after].iter().map(|outcome| outcome.placed()).sum::<u64>();
    println!("peak memory of the gateway: {:.1} MiB resident", stack.gateway_peak()?);
    let saved = saved(&stack).await?;
    println!("orders saved: {saved}, answered 201: {placed}");
    if saved != placed {
        return Err("orders that nobody was told of void the run".into());
    }
    slow::measure(&stack).await
}

fn recovery(before: &Outcome, after: &Outcome) {
    let last = after.last_shed().map_or("nothing".to_owned(), |at| format!("the last {} ms", at.as_millis()));
    println!("shed after it: {} requests, {last} after its end", after.shed());
    println!(
        "latency from {RECOVERY_MAX:?} after it: p99 {:.1} ms, before it {:.1} ms",
        after.placed_ms(RECOVERY_MAX, 0.99),
        before.placed_ms(Duration::ZERO, 0.99)
    );
}

/// The orders in Order's database.
async fn saved(stack: &Services) -> Result<u64, Failure> {
    let file = SqliteConnectOptions::new().filename(stack.order_database());
    let mut connection = SqliteConnection::connect_with(&file).await?;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&mut connection).await?;
    Ok(u64::try_from(count)?)
}
