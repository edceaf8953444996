//! The system under three times its capacity, and with a thousand slow clients.
//!
//!     cargo bench -p system-tests --bench overload
//!
//! Runs gateway, Order and Payment, each a process of the bench profile, over empty SQLite files on one core,
//! and the load on another (`taskset`):
//!
//! 1. closed loops of 16 to 128 connections, 6 s each; the bench selects the best one;
//! 2. open loops at 0.8 to 1.25 times the best closed loop's rate, 6 s each; the best one is the capacity.
//!    The latency of an open loop counts from the time at which the request was due;
//! 3. an open loop at half the best closed loop's rate for 5 s: the normal latency;
//! 4. several rounds: both best loops; an open loop at three times the closed loop's rate for 30 s; both best
//!    loops again. The goodput is compared with the mean of before and after, since other programs may use
//!    the machine;
//! 5. half the rate again, directly after the last overload: the requests that are still shed, for how long,
//!    and the latency from 2 s later on;
//! 6. the orders in the database, which must be as many as there were 201s;
//! 7. one client that sends 50 orders a second, alone and beside 1,000 connections that send their heads and
//!    bodies byte by byte, alternating.
//!
//! A response other than 201 and 503 NOT_STARTED invalidates the run; so does a 503 in a closed loop, in 3
//! and in 7.

#![allow(
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::print_stdout,
    reason = "a bench computes and prints figures"
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

/// The load comes from one address.
const CONNECTIONS: (&str, &str) = ("CONNECTIONS_PER_ADDRESS_MAX", "8192");

const WARM_UP: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;
const OVERLOAD: f64 = 3.0;
const USUAL: f64 = 0.5;
const USUAL_FOR: Duration = Duration::from_secs(5);
const RECOVERY_MAX: Duration = Duration::from_secs(2);

fn main() -> Result<(), Failure> {
    if !figures::is_bench_run() {
        return Ok(());
    }
    // Before there is a second thread: new threads inherit the affinity.
    let pid = std::process::id().to_string();
    let pinned = Command::new("taskset").args(["-cp", LOAD_CORE, &pid]).output()?;
    if !pinned.status.success() {
        return Err("taskset invalidates the run: two cores are needed".into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<(), Failure> {
    let system = Services::start(SERVICES_CORE, &[CONNECTIONS]).await?;
    let placed = load::run(system.gateway, &Tokens::default(), 32, WARM_UP).await?.orders();
    let mut loads = Loads { system, placed };
    let best = loads.best().await?;
    let usual = loads.open("half of it", best.placed * USUAL, USUAL_FOR).await?;
    usual.require_all_placed()?;

    let (mut of_open, mut of_closed, mut shed) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let before = loads.capacity(&best).await?;
        let over = loads.overload(before.closed * OVERLOAD).await?;
        if round + 1 == ROUNDS {
            let after = loads.open("half of it, after", before.closed * USUAL, USUAL_FOR).await?;
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
    println!("orders saved: {saved}, 201 responses: {}", loads.placed);
    if saved != loads.placed {
        return Err("orders without a 201 invalidate the run".into());
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

/// The number of orders in Order's database.
async fn saved(system: &Services) -> Result<u64, Failure> {
    let file = SqliteConnectOptions::new().filename(system.order_database());
    let mut connection = SqliteConnection::connect_with(&file).await?;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&mut connection).await?;
    Ok(u64::try_from(count)?)
}
