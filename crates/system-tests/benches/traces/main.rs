//! The cost of traces: processor time per order with no, with 1 % and with all traces recorded and exported.
//!
//!     cargo bench -p system-tests --bench traces
//!
//! Three systems, each a process over empty SQLite files, take turns for [`ROUNDS`] rounds under the same
//! closed loop. The collector runs in the bench's process, and its time does not count. Prints the medians of
//! the comparisons within each round: other programs may use the machine.

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
#[allow(dead_code, reason = "other benches use more of it")]
mod load;
#[path = "../shared/process.rs"]
#[allow(dead_code, reason = "other benches use more of it")]
mod process;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use figures::Failure;
use load::Tokens;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use process::{PROGRAM, SystemProcess};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

const CONNECTIONS: usize = 8;
const ROUNDS: usize = 15;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(2);
const NAMES: [&str; 3] = ["none", "1 %", "all"];

fn main() -> Result<(), Failure> {
    if !figures::is_bench_run() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<(), Failure> {
    let spans = Arc::new(AtomicUsize::new(0));
    let endpoint = collector(spans.clone()).await?;
    let traced =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")];
    let with =
        |part| SystemProcess::start(&[PROGRAM], &[traced[0], traced[1], ("OTEL_TRACES_SAMPLER_ARG", part)]);
    let systems = [SystemProcess::start(&[PROGRAM], &[])?, with("0.01")?, with("1")?];
    for system in &systems {
        load::run(system.gateway, &Tokens::default(), CONNECTIONS, WARM_UP).await?;
    }
    let mut costs: Vec<[f64; 3]> = Vec::new();
    for round in 0..ROUNDS {
        let mut cost = [0.0; 3];
        // The order rotates from round to round.
        for which in (0..systems.len()).map(|turn| (turn + round) % systems.len()) {
            let system = &systems[which];
            let before = system.cpu_seconds()?;
            let mut measured = load::run(system.gateway, &Tokens::default(), CONNECTIONS, MEASURED).await?;
            measured.cpu_seconds = system.cpu_seconds()? - before;
            cost[which] = measured.cpu_per_thousand();
        }
        costs.push(cost);
    }
    println!("| traces | CPU s per 1,000 orders | more than none, % |\n|---|---|---|");
    for (which, name) in NAMES.iter().enumerate() {
        let cost = figures::median(costs.iter().map(|cost| cost[which]));
        let more = figures::median(costs.iter().map(|cost| (cost[which] / cost[0] - 1.0) * 100.0));
        println!("| {name} | {cost:.3} | {more:.1} |");
    }
    println!("spans received by the collector: {}", spans.load(Ordering::Relaxed));
    Ok(())
}

/// Starts a collector that counts spans; returns its URL.
async fn collector(spans: Arc<AtomicUsize>) -> Result<String, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(SpanCounter(spans)));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    Ok(endpoint)
}

struct SpanCounter(Arc<AtomicUsize>);

#[tonic::async_trait]
impl TraceService for SpanCounter {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.get_ref().resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        let count = scopes.map(|scope| scope.spans.len()).sum();
        self.0.fetch_add(count, Ordering::Relaxed);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
