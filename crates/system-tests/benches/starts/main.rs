//! The time from start to readiness of each service, and its memory at rest.
//!
//!     cargo bench -p system-tests --bench starts
//!     PROGRAMS=target/release cargo bench -p system-tests --bench starts
//!
//! Each round starts Payment, Order and the gateway one after the other, each a process over its SQLite file,
//! and measures the time until the first `200` of `/readyz`, polled every millisecond, and the resident
//! memory a second later. The databases are migrated before the first round. `PROGRAMS` is a directory with
//! the programs `gateway`, `order` and `payment`; without it, `order-system` runs them. Prints medians and
//! maxima.

#![allow(
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::print_stdout,
    reason = "a bench computes and prints figures"
)]
#![allow(clippy::disallowed_methods, reason = "it has no async runtime that a sleep could block")]

#[path = "../shared/cpu.rs"]
#[allow(dead_code, reason = "other benches use more of it")]
mod cpu;
#[path = "../shared/figures.rs"]
mod figures;
#[path = "../shared/port.rs"]
mod port;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};

use figures::Failure;
use port::free;
use tempfile::TempDir;

const SERVICES: [&str; 3] = ["payment", "order", "gateway"];
const ROUNDS: usize = 11;
const REST: Duration = Duration::from_secs(1);
const READY_MAX: Duration = Duration::from_secs(30);

fn main() -> Result<(), Failure> {
    if !figures::is_bench_run() {
        return Ok(());
    }
    let data = TempDir::new()?;
    round(data.path())?;
    let rounds = (0..ROUNDS).map(|_| round(data.path())).collect::<Result<Vec<_>, _>>()?;
    println!("| service | ready after, ms | at most | memory at rest, MiB |\n|---|---|---|---|");
    for (which, service) in SERVICES.iter().enumerate() {
        let ready = || rounds.iter().map(|round| round[which].0);
        let memory = figures::median(rounds.iter().map(|round| round[which].1));
        let most = ready().fold(0.0, f64::max);
        println!("| {service} | {:.0} | {most:.0} | {memory:.1} |", figures::median(ready()));
    }
    Ok(())
}

/// The time to readiness (ms) and the memory at rest (MiB) of each of [`SERVICES`].
fn round(data: &Path) -> Result<[(f64, f64); 3], Failure> {
    let ports = [free()?, free()?, free()?];
    let mut running = Vec::new();
    let mut ready = [0.0; 3];
    for which in 0..SERVICES.len() {
        let admin = free()?;
        let mut command = command(SERVICES[which]);
        command
            .env("APPLICATION_PORT", ports[which].port().to_string())
            .env("ADMIN_ADDRESS", admin.to_string())
            .env("ENV", "development")
            .env("RUST_LOG", "error")
            .env("DB_DRIVER", "sqlite")
            .env("DATA_SOURCE_URL", format!("sqlite://{}/{}.db", data.display(), SERVICES[which]))
            .env("PAYMENT_SERVICE_URL", ports[0].to_string())
            .env("ORDER_SERVICE_URL", ports[1].to_string());
        let started = Instant::now();
        running.push(Running(command.spawn()?));
        while !is_ready(admin) {
            if started.elapsed() > READY_MAX {
                return Err(format!("{} is not ready after {READY_MAX:?}", SERVICES[which]).into());
            }
            sleep(Duration::from_millis(1));
        }
        ready[which] = started.elapsed().as_secs_f64() * 1000.0;
    }
    sleep(REST);
    let mut measured = [(0.0, 0.0); 3];
    for (which, running) in running.iter().enumerate() {
        measured[which] = (ready[which], cpu::memory(running.0.id(), "VmRSS")?);
    }
    Ok(measured)
}

fn command(service: &str) -> Command {
    let programs = test_support::variable("PROGRAMS");
    if programs.is_empty() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_system-under-test"));
        command.arg(service);
        return command;
    }
    // The working directory of a bench is its package; PROGRAMS is relative to the workspace.
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(programs).join(service))
}

fn is_ready(admin: SocketAddr) -> bool {
    let get = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(admin)?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n")?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok(response)
    };
    get().is_ok_and(|response| response.split(' ').nth(1) == Some("200"))
}

/// A process; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // No graceful shutdown: its data is discarded.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
