//! Processor time of a call through the channel, against one through tonic's own.
//!
//!     cargo bench -p channel --bench cost
//!
//! The servers, ten of them, are a process of their own; what is measured is the time of this one, which calls them. A
//! round is [`CALLS`] calls by [`CALLERS`] callers through each transport, one after the other, in an order that turns
//! around; each call has a deadline. The ratio is that of two neighbours of one round; the median of [`ROUNDS`] is printed.

#![allow(clippy::float_arithmetic, clippy::print_stdout, reason = "it computes figures and prints them")]

mod clients;
mod servers;

use std::{error::Error, net::SocketAddr};

use clients::{Transport, cpu_seconds};

type Failure = Box<dyn Error + Send + Sync>;

const ROUNDS: usize = 11;
const CALLS: u32 = 40_000;
const CALLERS: u32 = 64;
/// As Order calls Payment: by load, each call again where it failed, throttled.
const AS_USED: &str = r#"{
    "loadBalancingConfig": [{"least_loaded": {}}],
    "methodConfig": [{"name": [{}], "retryPolicy": {
        "maxAttempts": 4, "initialBackoff": "0.05s", "maxBackoff": "0.5s", "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"], "perAttemptRecvTimeout": "2s"
    }}],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1}
}"#;
const ROUND_ROBIN: &str = r#"{"loadBalancingConfig": [{"round_robin": {}}]}"#;

fn main() -> Result<(), Failure> {
    if std::env::args().any(|argument| argument == servers::ARGUMENT) {
        return servers::serve();
    }
    // `cargo test --benches` runs benches too, and this word tells them apart.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let servers = servers::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(&servers.addresses))
}

async fn measure(addresses: &[SocketAddr]) -> Result<(), Failure> {
    println!("| endpoints | channel | µs per call | tonic's | ratio |\n|---|---|---|---|---|");
    for addresses in [&addresses[..1], addresses] {
        for (name, config) in [("round_robin", ROUND_ROBIN), ("as Order's", AS_USED)] {
            let theirs = Transport::tonic(addresses)?;
            let ours = Transport::ours(addresses, config)?;
            let (mut us, mut them, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
            // The first connects, and is not counted.
            for round in 0..=ROUNDS {
                let (mine, bare) = if round % 2 == 0 {
                    let mine = per_call(&ours).await?;
                    (mine, per_call(&theirs).await?)
                } else {
                    let bare = per_call(&theirs).await?;
                    (per_call(&ours).await?, bare)
                };
                if round > 0 {
                    us.push(mine);
                    them.push(bare);
                    ratios.push(mine / bare);
                }
            }
            println!(
                "| {} | {name} | {:.2} | {:.2} | {:.3} |",
                addresses.len(),
                median(us) * 1e6,
                median(them) * 1e6,
                median(ratios),
            );
        }
    }
    Ok(())
}

/// Seconds of processor time that a call takes.
async fn per_call(transport: &Transport) -> Result<f64, Failure> {
    let before = cpu_seconds();
    transport.run(CALLERS, CALLS / CALLERS).await?;
    Ok((cpu_seconds() - before) / f64::from(CALLS))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
