//! A client that a public generator makes of the committed OpenAPI document, used as its readers would use it.

use all_in_one::System;
use test_support::{Failed, Need, Trial, succeed, trial};
use tokio::process::Command;

use crate::{openapi::document, tree::python};

pub(crate) fn trials() -> Vec<Trial> {
    let needs = &[Need::OpenapiPythonClient];
    vec![trial("a_generated_python_client_places_an_order_and_reads_it", needs, generated)]
}

async fn generated() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let package = directory.path().join("orders_client");
    let mut generator = Command::new("openapi-python-client");
    generator.current_dir(directory.path()).args([
        "generate",
        "--meta",
        "none",
        "--fail-on-warning",
        "--path",
    ]);
    succeed(generator.arg(document()).arg("--output-path").arg(&package)).await?;

    let system = System::start().await?;
    let mut script = python("generated_client.py");
    let ended = succeed(script.env("PYTHONPATH", directory.path()).arg(system.gateway_url())).await;
    system.stop().await?;
    ended.map(drop)
}
