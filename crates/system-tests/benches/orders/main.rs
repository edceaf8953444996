//! `POST /orders` through the whole system: orders per second, latency, memory, and the cost of tokens and
//! rate limits.
//!
//!     cargo bench -p system-tests --bench orders
//!     BEFORE=/path/to/an/older/order-system cargo bench -p system-tests --bench orders
//!
//! Runs `order-system` in processes of its own over empty SQLite files: with the default configuration, with
//! tokens (RS256) and rate limits, and an older binary where `BEFORE` names one. A closed loop of 1, 16 and
//! 64 connections loads one after the other. Prints the medians over all rounds, and the median ratio of
//! processor time within a round. A response other than 201 invalidates the run. Load and services share the
//! machine.

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
#[path = "../shared/process.rs"]
mod process;
#[allow(clippy::unwrap_used, dead_code, reason = "the tests use more of it")]
#[path = "../../tests/it/auth/signer.rs"]
mod signer;
mod tokens;

use std::time::Duration;

use figures::Failure;
use load::{Round, Tokens};
use process::{PROGRAM, SystemProcess};
use tempfile::TempDir;

const CONNECTIONS: [usize; 3] = [1, 16, 64];
const ROUNDS: usize = 11;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(4);
/// Limits that every request checks and none reaches.
const RATES: [(&str, &str); 2] =
    [("RATE_LIMIT_PER_ADDRESS", "1000000/1"), ("RATE_LIMIT_PER_SUBJECT", "1000000/1")];

/// A system and its rounds, by [`CONNECTIONS`].
struct Measured {
    name: &'static str,
    system: SystemProcess,
    tokens: Tokens,
    rounds: [Vec<Round>; CONNECTIONS.len()],
}

fn main() -> Result<(), Failure> {
    if !figures::is_bench_run() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<(), Failure> {
    let keys = TempDir::new()?;
    let (tokens, mut guarded) = tokens::issue(load::USERS, keys.path())?;
    guarded.extend(RATES.map(|(name, value)| (name, value.to_owned())));
    let guarded: Vec<(&str, &str)> = guarded.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let before = test_support::variable("BEFORE");
    let mut all = Vec::new();
    if !before.is_empty() {
        all.push(Measured::start("before", &before, &[], Tokens::default()).await?);
    }
    all.push(Measured::start("plain", PROGRAM, &[], Tokens::default()).await?);
    all.push(Measured::start("tokens, rate limits", PROGRAM, &guarded, tokens).await?);
    let systems = all.len();
    for round in 0..ROUNDS {
        for cell in 0..CONNECTIONS.len() {
            // The order rotates from round to round.
            for which in (0..systems).map(|turn| (turn + round) % systems) {
                all[which].round(cell).await?;
            }
        }
    }
    println!("| connections | | orders/s | p50 ms | p99 ms | CPU s per 1,000 orders | to the first |");
    println!("|---|---|---|---|---|---|---|");
    for cell in 0..CONNECTIONS.len() {
        for measured in &all {
            measured.print(cell, &all[0]);
        }
    }
    for measured in &all {
        println!("{}: peak memory {:.1} MiB resident", measured.name, measured.system.memory("VmHWM")?);
    }
    Ok(())
}

impl Measured {
    async fn start(
        name: &'static str,
        program: &str,
        vars: &[(&str, &str)],
        tokens: Tokens,
    ) -> Result<Self, Failure> {
        let system = SystemProcess::start(&[program], vars)?;
        println!("{name}: memory at rest {:.1} MiB resident", system.memory("VmRSS")?);
        load::run(system.gateway, &tokens, 16, WARM_UP).await?;
        Ok(Self { name, system, tokens, rounds: Default::default() })
    }

    async fn round(&mut self, cell: usize) -> Result<(), Failure> {
        let cpu_before = self.system.cpu_seconds()?;
        let mut round = load::run(self.system.gateway, &self.tokens, CONNECTIONS[cell], MEASURED).await?;
        round.cpu_seconds = self.system.cpu_seconds()? - cpu_before;
        self.rounds[cell].push(round);
        Ok(())
    }

    fn print(&self, cell: usize, first: &Self) {
        let rounds = &self.rounds[cell];
        let median = |figure: fn(&Round) -> f64| figures::median(rounds.iter().map(figure));
        let ratios = rounds.iter().zip(&first.rounds[cell]);
        println!(
            "| {} | {} | {:.0} | {:.2} | {:.2} | {:.3} | {:.2} |",
            CONNECTIONS[cell],
            self.name,
            median(Round::per_second),
            median(|round| round.p50_ms),
            median(|round| round.p99_ms),
            median(Round::cpu_per_thousand),
            figures::median(ratios.map(|(own, other)| own.cpu_per_thousand() / other.cpu_per_thousand())),
        );
    }
}
