//! Orders per second of the whole system on each database.
//!
//!     cargo bench -p system-tests --bench databases
//!
//! Starts a MariaDB and a PostgreSQL with durable commits, and the system over SQLite files and over each of
//! them, in this process together with the load: a closed loop of 1, 16 and 64 connections for 4 s, one
//! system after the other, 3 interleaved rounds. Prints the medians. A response other than 201 invalidates
//! the run. The processor time includes services and load, and excludes the database servers.

#![allow(
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::print_stdout,
    reason = "a bench computes and prints figures"
)]

#[path = "../shared/backend.rs"]
mod backend;
#[path = "../shared/cpu.rs"]
mod cpu;
#[path = "../shared/figures.rs"]
mod figures;
#[path = "../shared/load.rs"]
mod load;

use std::time::Duration;

use all_in_one::{Databases, Options, System};
use backend::Backend;
use figures::Failure;
use load::{Round, Tokens};
use mimalloc::MiMalloc;

const CONNECTIONS: [usize; 3] = [1, 16, 64];
const ROUNDS: usize = 3;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(4);

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
    let backends = Backend::all().await?;
    let mut systems = Vec::new();
    for backend in &backends {
        let databases = Databases {
            driver: backend.driver().name(),
            order: backend.create("orders").await?,
            payment: backend.create("payments").await?,
        };
        let options = Options { databases: Some(databases), ..Options::default() };
        let options = options.var("PAYMENT_CREDIT_LIMIT", 1_000_000_000).var("RUST_LOG", "warn");
        let system = System::start_with(options).await?;
        load::run(system.gateway_address(), &Tokens::default(), 16, WARM_UP).await?;
        systems.push(system);
    }
    let mut rounds: Vec<Vec<Vec<Round>>> = vec![vec![Vec::new(); systems.len()]; CONNECTIONS.len()];
    for _ in 0..ROUNDS {
        for (cells, connections) in rounds.iter_mut().zip(CONNECTIONS) {
            for (cell, system) in cells.iter_mut().zip(&systems) {
                let cpu_before = cpu::seconds(std::process::id())?;
                let mut round =
                    load::run(system.gateway_address(), &Tokens::default(), connections, MEASURED).await?;
                round.cpu_seconds = cpu::seconds(std::process::id())? - cpu_before;
                cell.push(round);
            }
        }
    }
    print(&backends, &rounds);
    for system in systems {
        system.stop().await?;
    }
    Ok(())
}

fn print(backends: &[Backend], rounds: &[Vec<Vec<Round>>]) {
    println!("| connections | database | orders/s | to SQLite | p50 ms | p99 ms | CPU s per 1,000 orders |");
    println!("|---|---|---|---|---|---|---|");
    for (cells, connections) in rounds.iter().zip(CONNECTIONS) {
        let sqlite = figures::median(cells[0].iter().map(Round::per_second));
        for (cell, backend) in cells.iter().zip(backends) {
            let median = |figure: fn(&Round) -> f64| figures::median(cell.iter().map(figure));
            let per_second = median(Round::per_second);
            println!(
                "| {connections} | {} | {per_second:.0} | {:.2} | {:.2} | {:.2} | {:.3} |",
                backend.name(),
                per_second / sqlite,
                median(|round| round.p50_ms),
                median(|round| round.p99_ms),
                median(Round::cpu_per_thousand),
            );
        }
    }
}
