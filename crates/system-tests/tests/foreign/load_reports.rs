//! Load reports (gRFC A51) between us and grpcio, both ways.

use std::process::Stdio;

use all_in_one::System;
use grpc_client::orca::LoadReport;
use proto::order::{GetOrderRequest, order_client::OrderClient};
use test_support::{Failed, Need, Trial, check, output, texts, trial};
use tokio::io::{AsyncBufReadExt, BufReader};
use tonic::transport::Endpoint;

use crate::tree::python;

pub(crate) fn trials() -> Vec<Trial> {
    let needs = &[Need::Grpcio];
    vec![
        trial("grpcio_reads_our_load_reports", needs, ours),
        trial("a_load_report_of_grpcio_is_read", needs, theirs),
    ]
}

/// grpcio tells nobody of the reports but its own policies, and those say in its log what they read.
async fn ours() -> Result<(), Failed> {
    let system = System::start().await?;
    let address = system.order_address().to_string();
    let mut command = python("load_reports.py");
    let traced = command.env("GRPC_VERBOSITY", "debug").env("GRPC_TRACE", "weighted_round_robin_lb");
    let ended = output(traced.args(["read", &address])).await;
    system.stop().await?;
    let ended = ended?;
    let (stdout, log) = texts(&ended);
    check(ended.status.success(), || format!("{stdout}\n{log}"))?;
    let read: Vec<[f64; 3]> = log.lines().filter_map(report_in).collect();
    // One of a good answer, and one of an error.
    let plausible = |[rps, eps, used]: &[f64; 3]| *rps >= 1.0 && *eps == 0.0 && *used > 0.0;
    check(read.len() == 2 && read.iter().all(plausible), || format!("{read:?} in {log}"))
}

/// What a line of the log says of a report: `qps=2, eps=0, utilization=0.25`.
fn report_in(line: &str) -> Option<[f64; 3]> {
    let value = |name: &str| line.split_once(name)?.1.split([',', ' ']).next()?.parse().ok();
    Some([value(" qps=")?, value(" eps=")?, value(" utilization=")?])
}

async fn theirs() -> Result<(), Failed> {
    let mut command = python("load_reports.py");
    let piped = command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut server = piped.spawn()?;
    let stdout = server.stdout.take().ok_or("no stdout, though it was asked for")?;
    let port = BufReader::new(stdout).lines().next_line().await?.ok_or("the server named no port")?;
    let channel = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?.connect().await?;
    let answer = OrderClient::new(channel).get(GetOrderRequest::default()).await?;
    // The generated client puts an answer's trailers to its headers.
    let found = LoadReport::from_trailers(answer.metadata().as_ref());
    let sent = LoadReport { utilization: 0.25, rps: 1234.5, eps: 2.5 };
    check(found == Some(sent), || format!("{found:?} of {:?}", answer.metadata()))?;
    drop(server.stdin.take());
    check(server.wait().await?.success(), || "the server failed".to_owned())
}
