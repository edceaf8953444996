//! Schemathesis fuzzes the gateway by the OpenAPI document, with requests that it allows and that it forbids:
//! every check, and the phases examples, coverage, fuzzing and stateful (sequences of requests by the
//! document's links).
//!
//! `SCHEMATHESIS_EXAMPLES=500 cargo test -p system-tests --test interop schemathesis` sets the examples per
//! operation and phase: above 5,000 requests in each of the two runs.

use std::time::Duration;

use all_in_one::{Options, System};
use money::Currency;
use test_support::{Failed, Need, Trial, check, output_within, texts, trial, variable};
use tokio::process::Command;

use crate::{
    access_token::{USER, required, token},
    paths::interop,
};

/// Per operation and phase; a run takes about half a minute.
const EXAMPLES_DEFAULT: &str = "30";
const RUN_MAX: Duration = Duration::from_secs(3_600);
const SEED_DEFAULT: &str = "1";

pub(crate) fn trials() -> Vec<Trial> {
    let needs = &[Need::Schemathesis];
    vec![
        trial("schemathesis_finds_nothing_without_tokens", needs, || fuzz_system(false)),
        trial("schemathesis_finds_nothing_with_a_token", needs, || fuzz_system(true)),
    ]
}

async fn fuzz_system(tokens: bool) -> Result<(), Failed> {
    // Without declines: the document does not define credit limits.
    let limits: Vec<String> = Currency::all().map(|currency| format!("{currency}:90000000000")).collect();
    let options = Options::default().var("PAYMENT_CREDIT_LIMITS", limits.join(","));
    let system = System::start_with(if tokens { required(options) } else { options }).await?;
    let result = fuzz(&system.gateway_url(), tokens).await;
    system.stop().await?;
    result
}

#[allow(clippy::print_stdout, reason = "the report has the number of requests")]
async fn fuzz(gateway: &str, tokens: bool) -> Result<(), Failed> {
    let setting =
        |name: &str, default: &str| Some(variable(name)).filter(|v| !v.is_empty()).unwrap_or(default.into());
    let config = interop("schemathesis");
    // Schemathesis writes files to its working directory.
    let directory = tempfile::tempdir()?;
    let mut command = Command::new("schemathesis");
    command.current_dir(directory.path()).env("SCHEMATHESIS_HOOKS", config.join("hooks.py"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg("--config-file").arg(config.join("schemathesis.toml"));
    command.arg("run").arg(format!("{gateway}/openapi.json")).args(["--checks", "all", "--no-color"]);
    command.args(["--max-examples", &setting("SCHEMATHESIS_EXAMPLES", EXAMPLES_DEFAULT)]);
    command.args(["--seed", &setting("SCHEMATHESIS_SEED", SEED_DEFAULT)]);
    if tokens {
        command.env("TOKEN_USER", USER.to_string()).env("TOKEN", token());
    }
    let output = output_within(RUN_MAX, &mut command).await?;
    let (stdout, stderr) = texts(&output);
    println!("{stdout}");
    check(output.status.success(), || format!("{stdout}\n{stderr}"))
}
