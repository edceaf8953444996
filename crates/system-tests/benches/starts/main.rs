//! How soon each service is ready, and what it holds before it is asked for anything.
//!
//!     cargo bench -p system-tests --bench starts
//!     PROGRAMS=target/release cargo bench -p system-tests --bench starts
//!
//! Starts Payment, Order and the gateway one after the other, each as a process over its SQLite file, for so many rounds: from the
//! start of the process to the first `200` of its `/readyz`, asked for each millisecond, and its resident memory a second
//! later. The databases are migrated before the first round. `PROGRAMS` is a directory of the programs `gateway`, `order` and
//! `payment`, as images have them; else they are run by `system`. Prints medians, and the slowest.

#![allow(
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::print_stdout,
    reason = "it computes figures and prints them"
)]
#![allow(clippy::disallowed_methods, reason = "it sleeps, and has no runtime that could be blocked")]

#[path = "../shared/cpu.rs"]
#[allow(dead_code, reason = "others measure processor time")]
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
    if !figures::asked_for() {
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

/// Milliseconds to ready, and memory at rest, of each of [`SERVICES`].
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
    // Cargo runs a bench in the directory of its package.
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(programs).join(service))
}

fn is_ready(admin: SocketAddr) -> bool {
    let asked = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(admin)?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    asked().is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
}

/// A process; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It holds nothing that is worth a graceful end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
