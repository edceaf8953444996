//! A Python client that a public generator makes of the committed OpenAPI document.

use all_in_one::System;
use test_support::{Failed, Need, Trial, succeed, trial};
use tokio::process::Command;

use crate::paths::{openapi_document, python};

pub(crate) fn trials() -> Vec<Trial> {
    let needs = &[Need::OpenapiPythonClient];
    vec![trial("generated_python_client_places_and_reads_an_order", needs, generated)]
}

async fn generated() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let package = directory.path().join("orders_client");
    let mut generator = Command::new("openapi-python-client");
    generator.current_dir(directory.path()).args(["generate", "--meta", "none", "--fail-on-warning"]);
    generator.arg("--path").arg(openapi_document()).arg("--output-path").arg(&package);
    succeed(&mut generator).await?;

    let system = System::start().await?;
    let mut script = python("generated_client.py");
    let output = succeed(script.env("PYTHONPATH", directory.path()).arg(system.gateway_url())).await;
    system.stop().await?;
    output.map(drop)
}
