//! Public linters of the committed OpenAPI document.

use std::fs;

use serde_json::Value;
use test_support::{Failed, Need, Trial, check, output, succeed, texts, trial};
use tokio::process::Command;

use crate::paths::openapi_document;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("redocly_finds_neither_error_nor_warning", &[Need::Redocly], redocly),
        trial("spectral_finds_neither_error_nor_warning", &[Need::Spectral], spectral),
        trial("openapi_spec_validator_accepts_the_document", &[Need::OpenapiSpecValidator], validator),
    ]
}

async fn redocly() -> Result<(), Failed> {
    // Outside of the workspace, so that no configuration file relaxes the rules.
    let directory = tempfile::tempdir()?;
    let mut command = Command::new("redocly");
    command.current_dir(directory.path()).args(["lint", "--extends", "recommended", "--format", "json"]);
    command
        .arg(openapi_document())
        .env("REDOCLY_TELEMETRY", "off")
        .env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    let output = output(&mut command).await?;
    let (stdout, stderr) = texts(&output);
    let report: Value =
        serde_json::from_str(&stdout).map_err(|error| format!("{error}\n{stdout}\n{stderr}"))?;
    let totals = &report["totals"];
    check(output.status.success() && totals["errors"] == 0 && totals["warnings"] == 0, || {
        let problems = report["problems"].as_array().into_iter().flatten();
        let line = |problem: &Value| {
            format!("{} {} at {}", problem["ruleId"], problem["message"], problem["location"][0]["pointer"])
        };
        problems.map(line).collect::<Vec<_>>().join("\n")
    })
}

/// The rule about scopes is one of OpenAPI 3.0: since 3.1 a requirement of any scheme may name them, not only of
/// OAuth 2 (section 4.8.30).
const SPECTRAL_RULES: &str = "extends: [\"spectral:oas\"]\nrules:\n  oas3-operation-security-defined: off\n";

async fn spectral() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let rules = directory.path().join("rules.yaml");
    fs::write(&rules, SPECTRAL_RULES)?;
    let mut command = Command::new("spectral");
    command.current_dir(directory.path()).args(["lint", "--fail-severity", "hint", "--ruleset"]).arg(rules);
    succeed(command.arg(openapi_document())).await.map(drop)
}

async fn validator() -> Result<(), Failed> {
    let text = fs::read_to_string(openapi_document())?;
    let version = serde_json::from_str::<Value>(&text)?["openapi"].to_string();
    check(version.starts_with("\"3.1."), || format!("the version of the document is {version}"))?;
    succeed(Command::new("openapi-spec-validator").args(["--schema", "3.1"]).arg(openapi_document()))
        .await
        .map(drop)
}
