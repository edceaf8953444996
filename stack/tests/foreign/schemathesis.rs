//! The gateway fuzzed by Schemathesis with what the OpenAPI document says and does not say: every check, examples,
//! coverage, fuzzing, and sequences of requests by the document's links.
//!
//! `SCHEMATHESIS_EXAMPLES=500 cargo test -p stack --test foreign schemathesis` makes more of them: so many for each
//! operation and phase, above 5,000 requests in all.

use std::time::Duration;

use stack::{Options, Stack};
use tokio::process::Command;
use trials::{Failed, Need, Trial, check, output_within, texts, trial, variable};

use crate::tree::workspace;

/// For each operation and phase: about a minute.
const EXAMPLES_DEFAULT: &str = "60";
/// How long the longest run may take.
const LONGEST: Duration = Duration::from_secs(3_600);
const SEED_DEFAULT: &str = "1";

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("schemathesis_finds_nothing", &[Need::Schemathesis], fuzzed)]
}

async fn fuzzed() -> Result<(), Failed> {
    // Whether a customer can pay is no part of the document: all can.
    let options = Options::default().var("PAYMENT_CREDIT_LIMIT", 90_000_000_000_u64);
    let stack = Stack::start_with(options).await?;
    let ended = fuzz(&stack.gateway_url()).await;
    stack.stop().await?;
    ended
}

#[allow(clippy::print_stdout, reason = "how much was tried is what one makes a long run for")]
async fn fuzz(gateway: &str) -> Result<(), Failed> {
    let given =
        |name: &str, default: &str| Some(variable(name)).filter(|v| !v.is_empty()).unwrap_or(default.into());
    let home = workspace().join("stack/tests/foreign/schemathesis");
    // What it finds it writes down beside where it runs.
    let directory = tempfile::tempdir()?;
    let mut command = Command::new("schemathesis");
    command.current_dir(directory.path()).env("SCHEMATHESIS_HOOKS", home.join("hooks.py"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg("--config-file").arg(home.join("schemathesis.toml"));
    command.arg("run").arg(format!("{gateway}/openapi.json")).args(["--checks", "all", "--no-color"]);
    command.args(["--max-examples", &given("SCHEMATHESIS_EXAMPLES", EXAMPLES_DEFAULT)]);
    command.args(["--seed", &given("SCHEMATHESIS_SEED", SEED_DEFAULT)]);
    let output = output_within(LONGEST, &mut command).await?;
    let (stdout, stderr) = texts(&output);
    println!("{stdout}");
    check(output.status.success(), || format!("{stdout}\n{stderr}"))
}
