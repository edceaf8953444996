//! The OpenAPI document's `curl` samples, run by a shell.

use std::{collections::BTreeMap, fs};

use all_in_one::System;
use serde_json::Value;
use test_support::{Failed, Need, Trial, check, succeed, trial};
use tokio::process::Command;

use crate::paths::openapi_document;

/// The gateway's URL in the samples.
const GATEWAY: &str = "http://127.0.0.1:8080";

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("openapi_samples_run_in_a_shell", &[Need::Curl], samples_run)]
}

async fn samples_run() -> Result<(), Failed> {
    let system = System::start().await?;
    let result = run_samples(&system.gateway_url()).await;
    system.stop().await?;
    result
}

async fn run_samples(gateway: &str) -> Result<(), Failed> {
    let samples = samples()?;
    let expected = BTreeMap::from([("listOrders", "200"), ("placeOrder", "201"), ("readOrder", "200")]);
    check(samples.keys().eq(expected.keys()), || format!("samples of {:?}", samples.keys()))?;
    for (operation, status) in expected {
        let sample = samples[operation].replace(GATEWAY, gateway);
        let printed = succeed(Command::new("sh").args(["-ec", &sample])).await?;
        let first = printed.lines().next().unwrap_or_default().to_owned();
        check(first.contains(status), || format!("{operation}: {sample}\nprinted {printed}"))?;
    }
    Ok(())
}

/// The sample of each operation. The operation's description must contain it.
fn samples() -> Result<BTreeMap<String, String>, Failed> {
    let document: Value = serde_json::from_str(&fs::read_to_string(openapi_document())?)?;
    let mut samples = BTreeMap::new();
    let paths = document["paths"].as_object().ok_or("no paths")?;
    for operation in paths.values().filter_map(Value::as_object).flat_map(|path| path.values()) {
        let Some(sample) = operation["x-codeSamples"][0]["source"].as_str() else { continue };
        let (id, description) = (operation["operationId"].as_str(), operation["description"].as_str());
        let (id, description) = (id.unwrap_or_default(), description.unwrap_or_default());
        check(description.contains(sample), || format!("{id}: the description has another sample"))?;
        samples.insert(id.to_owned(), sample.to_owned());
    }
    Ok(samples)
}
