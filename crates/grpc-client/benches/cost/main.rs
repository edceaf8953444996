//! Processor time of a call through the channel, compared with tonic's own channel.
//!
//!     cargo bench -p grpc-client --bench cost
//!
//! Ten servers run in a process of their own; the bench measures the client process. A round is [`CALLS`]
//! calls by [`CLIENTS`] concurrent clients through each transport, in alternating order. Each call has a
//! deadline. The ratio compares the two transports within a round; the printed figures are medians of
//! [`ROUNDS`] rounds.

#![allow(clippy::float_arithmetic, clippy::print_stdout, reason = "it computes figures and prints them")]

mod clients;
mod servers;

use std::{error::Error, net::SocketAddr};

use clients::{Transport, cpu_seconds};

type Failure = Box<dyn Error + Send + Sync>;

const ROUNDS: usize = 11;
const CALLS: u32 = 40_000;
const CLIENTS: u32 = 64;
/// Order's default service config for Payment: `least_loaded`, retries, throttling.
const ORDERS_CONFIG: &str = r#"{
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
    // `cargo test --benches` runs this program, too, without this argument.
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
        for (name, config) in [("round_robin", ROUND_ROBIN), ("as Order's", ORDERS_CONFIG)] {
            let tonic = Transport::tonic(addresses)?;
            let ours = Transport::ours(addresses, config)?;
            let (mut ours_s, mut tonic_s, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
            // The first round connects, and is not counted.
            for round in 0..=ROUNDS {
                let (our_cost, tonic_cost) = if round % 2 == 0 {
                    let our_cost = per_call(&ours).await?;
                    (our_cost, per_call(&tonic).await?)
                } else {
                    let tonic_cost = per_call(&tonic).await?;
                    (per_call(&ours).await?, tonic_cost)
                };
                if round > 0 {
                    ours_s.push(our_cost);
                    tonic_s.push(tonic_cost);
                    ratios.push(our_cost / tonic_cost);
                }
            }
            println!(
                "| {} | {name} | {:.2} | {:.2} | {:.3} |",
                addresses.len(),
                median(ours_s) * 1e6,
                median(tonic_s) * 1e6,
                median(ratios),
            );
        }
    }
    Ok(())
}

/// Seconds of processor time per call.
async fn per_call(transport: &Transport) -> Result<f64, Failure> {
    let before = cpu_seconds();
    transport.run(CLIENTS, CALLS / CLIENTS).await?;
    Ok((cpu_seconds() - before) / f64::from(CALLS))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
