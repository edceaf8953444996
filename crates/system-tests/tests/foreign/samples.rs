//! The OpenAPI document's samples, pasted into a shell.

use std::{collections::BTreeMap, fs};

use all_in_one::System;
use serde_json::Value;
use test_support::{Failed, Need, Trial, check, succeed, trial};
use tokio::process::Command;

use crate::openapi::document;

/// Where the samples look for the gateway.
const HOME: &str = "http://127.0.0.1:8080";

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("every_sample_of_the_document_works_when_pasted", &[Need::Curl], pasted)]
}

async fn pasted() -> Result<(), Failed> {
    let system = System::start().await?;
    let ended = paste(&system.gateway_url()).await;
    system.stop().await?;
    ended
}

async fn paste(gateway: &str) -> Result<(), Failed> {
    let samples = samples()?;
    let expected = BTreeMap::from([("listOrders", "200"), ("placeOrder", "201"), ("readOrder", "200")]);
    check(samples.keys().eq(expected.keys()), || format!("samples of {:?}", samples.keys()))?;
    for (operation, status) in expected {
        let sample = samples[operation].replace(HOME, gateway);
        let answer = succeed(Command::new("sh").args(["-ec", &sample])).await?;
        let first = answer.lines().next().unwrap_or_default().to_owned();
        check(first.contains(status), || format!("{operation}: {sample}\nis answered {answer}"))?;
    }
    Ok(())
}

/// Each operation's sample, which its description must show too.
fn samples() -> Result<BTreeMap<String, String>, Failed> {
    let document: Value = serde_json::from_str(&fs::read_to_string(document())?)?;
    let mut samples = BTreeMap::new();
    let paths = document["paths"].as_object().ok_or("no paths")?;
    for operation in paths.values().filter_map(Value::as_object).flat_map(|path| path.values()) {
        let Some(sample) = operation["x-codeSamples"][0]["source"].as_str() else { continue };
        let (id, description) = (operation["operationId"].as_str(), operation["description"].as_str());
        let (id, description) = (id.unwrap_or_default(), description.unwrap_or_default());
        check(description.contains(sample), || format!("{id}: the description shows another sample"))?;
        samples.insert(id.to_owned(), sample.to_owned());
    }
    Ok(samples)
}
