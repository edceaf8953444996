//! The gateway fuzzed by Schemathesis with what the OpenAPI document says and does not say: every check, examples,
//! coverage, fuzzing, and sequences of requests by the document's links.
//!
//! `SCHEMATHESIS_EXAMPLES=500 cargo test -p system-tests --test foreign schemathesis` makes more of them: so many for each
//! operation and phase, above 5,000 requests in each of the two runs.

use std::time::Duration;

use all_in_one::{Options, System};
use test_support::{Failed, Need, Trial, check, output_within, texts, trial, variable};
use tokio::process::Command;

use crate::{
    tokens::{USER, demanded, token},
    tree::workspace,
};

/// For each operation and phase: about half a minute.
const EXAMPLES_DEFAULT: &str = "30";
/// How long the longest run may take.
const LONGEST: Duration = Duration::from_secs(3_600);
const SEED_DEFAULT: &str = "1";

pub(crate) fn trials() -> Vec<Trial> {
    let needs = &[Need::Schemathesis];
    vec![
        trial("schemathesis_finds_nothing_without_tokens", needs, || fuzzed(false)),
        trial("schemathesis_finds_nothing_with_a_token", needs, || fuzzed(true)),
    ]
}

async fn fuzzed(tokens: bool) -> Result<(), Failed> {
    // Whether a customer can pay is no part of the document: all can.
    let options = Options::default().var("PAYMENT_CREDIT_LIMIT", 90_000_000_000_u64);
    let system = System::start_with(if tokens { demanded(options) } else { options }).await?;
    let ended = fuzz(&system.gateway_url(), tokens).await;
    system.stop().await?;
    ended
}

#[allow(clippy::print_stdout, reason = "how much was tried is what one makes a long run for")]
async fn fuzz(gateway: &str, tokens: bool) -> Result<(), Failed> {
    let given =
        |name: &str, default: &str| Some(variable(name)).filter(|v| !v.is_empty()).unwrap_or(default.into());
    let home = workspace().join("crates/system-tests/tests/foreign/schemathesis");
    // What it finds it writes down beside where it runs.
    let directory = tempfile::tempdir()?;
    let mut command = Command::new("schemathesis");
    command.current_dir(directory.path()).env("SCHEMATHESIS_HOOKS", home.join("hooks.py"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg("--config-file").arg(home.join("schemathesis.toml"));
    command.arg("run").arg(format!("{gateway}/openapi.json")).args(["--checks", "all", "--no-color"]);
    command.args(["--max-examples", &given("SCHEMATHESIS_EXAMPLES", EXAMPLES_DEFAULT)]);
    command.args(["--seed", &given("SCHEMATHESIS_SEED", SEED_DEFAULT)]);
    if tokens {
        command.env("TOKEN_USER", USER.to_string()).env("TOKEN", token());
    }
    let output = output_within(LONGEST, &mut command).await?;
    let (stdout, stderr) = texts(&output);
    println!("{stdout}");
    check(output.status.success(), || format!("{stdout}\n{stderr}"))
}
