//! Valid and invalid HTTP/2 (RFC 9113, RFC 7541) at the gateway and at Order's gRPC port, frame by frame.

use all_in_one::System;
use test_support::{Failed, Need, Trial, succeed, trial};

use crate::paths::python;

pub(crate) fn trials() -> Vec<Trial> {
    let needs = &[Need::Hyperframe];
    vec![
        trial("gateway_speaks_http2_as_the_rfc_requires", needs, || conforms("gateway")),
        trial("order_speaks_http2_as_the_rfc_requires", needs, || conforms("order")),
    ]
}

#[allow(clippy::print_stdout, reason = "the report has a line for each case")]
async fn conforms(server: &str) -> Result<(), Failed> {
    let system = System::start().await?;
    let address = if server == "order" { system.order_address() } else { system.gateway_address() };
    let output = succeed(python("http2/conformance.py").args([server, &address.to_string()])).await;
    system.stop().await?;
    output.map(|report| println!("{report}"))
}
