//! Load reports (gRFC A51), sent to and received from grpcio.

use std::process::Stdio;

use all_in_one::System;
use grpc_client::orca::LoadReport;
use proto::order::{GetOrderRequest, order_client::OrderClient};
use test_support::{Failed, Need, Trial, check, output, texts, trial};
use tokio::io::{AsyncBufReadExt, BufReader};
use tonic::transport::Endpoint;

use crate::paths::python;

pub(crate) fn trials() -> Vec<Trial> {
    let needs = &[Need::Grpcio];
    vec![
        trial("grpcio_reads_our_load_reports", needs, read_by_grpcio),
        trial("grpc_client_reads_a_load_report_of_grpcio", needs, sent_by_grpcio),
    ]
}

/// Only grpcio's own policies read the reports; their log shows the values.
async fn read_by_grpcio() -> Result<(), Failed> {
    let system = System::start().await?;
    let address = system.order_address().to_string();
    let mut command = python("load_reports.py");
    let command = command.env("GRPC_VERBOSITY", "debug").env("GRPC_TRACE", "weighted_round_robin_lb");
    let output = output(command.args(["read", &address])).await;
    system.stop().await?;
    let output = output?;
    let (stdout, log) = texts(&output);
    check(output.status.success(), || format!("{stdout}\n{log}"))?;
    let reports: Vec<[f64; 3]> = log.lines().filter_map(report_in).collect();
    // One of a successful call, and one of an error.
    let plausible = |[rps, eps, used]: &[f64; 3]| *rps >= 1.0 && *eps == 0.0 && *used > 0.0;
    check(reports.len() == 2 && reports.iter().all(plausible), || format!("{reports:?} in {log}"))
}

/// The report in a line of the log: `qps=2, eps=0, utilization=0.25`.
fn report_in(line: &str) -> Option<[f64; 3]> {
    let value = |name: &str| line.split_once(name)?.1.split([',', ' ']).next()?.parse().ok();
    Some([value(" qps=")?, value(" eps=")?, value(" utilization=")?])
}

async fn sent_by_grpcio() -> Result<(), Failed> {
    let mut command = python("load_reports.py");
    let command = command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut server = command.spawn()?;
    let stdout = server.stdout.take().ok_or("stdout is piped")?;
    let port = BufReader::new(stdout).lines().next_line().await?.ok_or("the server printed no port")?;
    let channel = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?.connect().await?;
    let response = OrderClient::new(channel).get(GetOrderRequest::default()).await?;
    // The generated client merges the trailers into the response's metadata.
    let found = LoadReport::from_trailers(response.metadata().as_ref());
    let sent = LoadReport { utilization: 0.25, rps: 1234.5, eps: 2.5 };
    check(found == Some(sent), || format!("{found:?} of {:?}", response.metadata()))?;
    drop(server.stdin.take());
    check(server.wait().await?.success(), || "the server failed".to_owned())
}
