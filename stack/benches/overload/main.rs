//! What becomes of the stack when it is asked for three times what it can do, and when a thousand clients are slow.
//!
//!     cargo bench -p stack --bench overload
//!
//! Runs gateway, Order and Payment, a process each of the bench profile, over fresh SQLite files on one core, and the load on
//! another (`taskset`):
//!
//! 1. capacity: closed loops of 16 to 128 connections, 6 s each; the best is the capacity;
//! 2. a half of the capacity for 5 s by an open loop, for the latency of a day like any other;
//! 3. so many rounds: the capacity once more, by the closed loop that found it; three times the capacity for 30 s by an open
//!    loop, where every latency counts from the moment at which the request was due; the capacity again. What is placed in
//!    between is compared with the mean of before and after: others may share the machine;
//! 4. a half of the capacity, at once after the last overload: what is still refused, how long, and the latency of what
//!    comes 2 s later;
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
#[path = "../shared/port.rs"]
mod port;
mod services;
mod slow;

use std::{process::Command, time::Duration};

use figures::Failure;
use load::{Round, Tokens};
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
const ROUNDS: usize = 5;
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
    let (mut best, mut best_with) = (0.0, 0);
    for connections in CLOSED {
        let round = closed(&stack, connections, &mut placed).await?;
        if round.per_second() > best {
            (best, best_with) = (round.per_second(), connections);
        }
    }
    let usual = open_loop::run(stack.gateway, Rate::of(best * USUAL), USUAL_FOR).await?;
    usual.print("a half of the capacity, before");
    usual.demand_all_placed()?;
    placed += usual.placed();

    let (mut goodput, mut shed) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let before = closed(&stack, best_with, &mut placed).await?.per_second();
        let cpu = stack.cpu_seconds()?;
        let over = open_loop::run(stack.gateway, Rate::of(before * OVERLOAD), OVERLOAD_FOR).await?;
        let busy = (stack.cpu_seconds()? - cpu) / OVERLOAD_FOR.as_secs_f64() * 100.0;
        if round + 1 == ROUNDS {
            let after = open_loop::run(stack.gateway, Rate::of(before * USUAL), USUAL_FOR).await?;
            after.print("a half of the capacity, after");
            recovery(&usual, &after);
            placed += after.placed();
        }
        let after = closed(&stack, best_with, &mut placed).await?.per_second();
        over.print("three times the capacity");
        println!(
            "of a core: {busy:.0} %; shed in: p99 {:.1} ms, at most {:.1} ms",
            over.shed_ms(0.99),
            over.shed_ms(1.0)
        );
        placed += over.placed();
        goodput.push(over.goodput() / f64::midpoint(before, after) * 100.0);
        shed.push(over.shed_ms(0.99));
    }
    println!(
        "goodput at three times the capacity: {goodput:.1?} % of it, median {:.1} %",
        figures::median(goodput.clone())
    );
    println!("shed in: p99 {:.1} ms, the median of the rounds", figures::median(shed));
    println!("peak memory of the gateway: {:.1} MiB resident", stack.gateway_peak()?);
    let saved = saved(&stack).await?;
    println!("orders saved: {saved}, answered 201: {placed}");
    if saved != placed {
        return Err("orders that nobody was told of void the run".into());
    }
    slow::measure(&stack).await
}

/// One closed loop; what it places is added to `placed`.
async fn closed(stack: &Services, connections: usize, placed: &mut u64) -> Result<Round, Failure> {
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
    *placed += round.orders();
    Ok(round)
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
