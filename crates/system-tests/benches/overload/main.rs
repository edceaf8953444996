//! What becomes of the system when it is asked for three times what it can do, and when a thousand clients are slow.
//!
//!     cargo bench -p system-tests --bench overload
//!
//! Runs gateway, Order and Payment, a process each of the bench profile, over fresh SQLite files on one core, and the load on
//! another (`taskset`):
//!
//! 1. closed loops of 16 to 128 connections, 6 s each, of which one places most;
//! 2. open loops at 0.8 to 1.25 times what it placed, 6 s each, of which one places most: the capacity. Every latency of an
//!    open loop counts from the moment at which the request was due;
//! 3. an open loop at a half of what the closed loop placed for 5 s, for the latency of a day like any other;
//! 4. so many rounds: both loops that placed most; an open loop at three times what the closed one placed for 30 s; both
//!    again. What is placed in between is compared with the mean of before and after: others may share the machine;
//! 5. the half again, at once after the last overload: what is still refused, how long, and the latency of what comes 2 s
//!    later;
//! 6. the orders in the database, which must be as many as there were 201s;
//! 7. one client that sends 50 orders a second, alone and beside 1,000 connections of clients that send their heads and
//!    bodies byte by byte, in turn.
//!
//! An answer that is neither 201 nor 503 NOT_STARTED voids the run, and so does the latter in a closed loop, in 3 and in 7.

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
mod loads;
mod open_loop;
#[path = "../shared/port.rs"]
mod port;
mod services;
mod slow;

use std::{process::Command, time::Duration};

use figures::Failure;
use load::Tokens;
use loads::Loads;
use open_loop::Outcome;
use services::Services;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

const SERVICES_CORE: &str = "0";
const LOAD_CORE: &str = "1";

/// All of the load comes from one address.
const CONNECTIONS: (&str, &str) = ("CONNECTIONS_PER_ADDRESS_MAX", "8192");

const WARM_UP: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;
const OVERLOAD: f64 = 3.0;
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
    let system = Services::start(SERVICES_CORE, &[CONNECTIONS]).await?;
    let placed = load::run(system.gateway, &Tokens::default(), 32, WARM_UP).await?.orders();
    let mut loads = Loads { system, placed };
    let best = loads.best().await?;
    let usual = loads.open("a half of it", best.placed * USUAL, USUAL_FOR).await?;
    usual.demand_all_placed()?;

    let (mut of_open, mut of_closed, mut shed) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let before = loads.capacity(&best).await?;
        let over = loads.overload(before.closed * OVERLOAD).await?;
        if round + 1 == ROUNDS {
            let after = loads.open("a half of it, after", before.closed * USUAL, USUAL_FOR).await?;
            recovery(&usual, &after);
        }
        let after = loads.capacity(&best).await?;
        of_open.push(over.goodput() / f64::midpoint(before.open, after.open) * 100.0);
        of_closed.push(over.goodput() / f64::midpoint(before.closed, after.closed) * 100.0);
        shed.push(over.shed_ms(0.99));
    }
    for (capacity, goodput) in [("open", of_open), ("closed", of_closed)] {
        println!(
            "goodput under overload, % of what the best {capacity} loop places: {goodput:.1?}, median {:.1}",
            figures::median(goodput.clone())
        );
    }
    println!("shed in: p99 {:.1} ms, the median of the rounds", figures::median(shed));
    println!("peak memory of the gateway: {:.1} MiB resident", loads.system.gateway_peak()?);
    let saved = saved(&loads.system).await?;
    println!("orders saved: {saved}, answered 201: {}", loads.placed);
    if saved != loads.placed {
        return Err("orders that nobody was told of void the run".into());
    }
    slow::measure(&loads.system).await
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
async fn saved(system: &Services) -> Result<u64, Failure> {
    let file = SqliteConnectOptions::new().filename(system.order_database());
    let mut connection = SqliteConnection::connect_with(&file).await?;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&mut connection).await?;
    Ok(u64::try_from(count)?)
}
