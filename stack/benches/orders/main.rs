//! Orders per second and latency of `POST /orders` through the whole stack, and its memory.
//!
//!     cargo bench -p stack --bench orders
//!
//! Runs the `stack` binary of the bench profile as a process of its own over fresh SQLite files, and a closed
//! loop of 1, 16 and 64 connections against it, for three rounds; prints the medians. Every answer must be a
//! 201: any other voids the run. Load and services share the machine.

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
mod process;

use std::time::Duration;

use figures::Failure;
use load::Round;
use process::StackProcess;

const CONNECTIONS: [usize; 3] = [1, 16, 64];
const ROUNDS: usize = 3;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(8);

fn main() -> Result<(), Failure> {
    if !figures::asked_for() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<(), Failure> {
    let stack = StackProcess::start_with(&[])?;
    println!("memory at rest: {:.1} MiB resident", stack.memory("VmRSS")?);
    load::run(stack.gateway, 16, WARM_UP).await?;
    let mut rounds: Vec<Vec<Round>> = vec![Vec::new(); CONNECTIONS.len()];
    for _ in 0..ROUNDS {
        for (cell, connections) in rounds.iter_mut().zip(CONNECTIONS) {
            let cpu_before = stack.cpu_seconds()?;
            let mut round = load::run(stack.gateway, connections, MEASURED).await?;
            round.cpu_seconds = stack.cpu_seconds()? - cpu_before;
            cell.push(round);
        }
    }
    println!("| connections | orders/s | p50 ms | p99 ms | CPU s per 1,000 orders |\n|---|---|---|---|---|");
    for (cell, connections) in rounds.iter().zip(CONNECTIONS) {
        let median = |figure: fn(&Round) -> f64| figures::median(cell.iter().map(figure));
        println!(
            "| {connections} | {:.0} | {:.2} | {:.2} | {:.3} |",
            median(Round::per_second),
            median(|round| round.p50_ms),
            median(|round| round.p99_ms),
            median(Round::cpu_per_thousand),
        );
    }
    println!("peak memory: {:.1} MiB resident", stack.memory("VmHWM")?);
    Ok(())
}
