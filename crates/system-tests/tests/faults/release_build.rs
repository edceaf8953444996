//! Fault injection is compiled into the programs that are tested here, and into no others.
//!
//! `[dev-dependencies]` of system-tests enable the feature `fault-injection`, and cargo heeds them only when
//! it builds tests and benches. `PLAIN_PROGRAMS` names a directory of programs that `cargo build` made, which
//! must not contain it; `.ci/run` builds them. An unoptimised build is the stricter check, since it drops no
//! unused code.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use test_support::{Failed, Need, Trial, check, variable};

/// Strings in every program with fault injection.
const MARKERS: [&str; 6] = [
    "FAULT_INJECTION",
    "fault_injection",
    "orders.insert.before",
    "payments.charge.after",
    "ledger.void.before",
    "commit.before",
];
/// Programs of the workspace that open a database.
const PROGRAMS: [&str; 3] = ["order-system", "order", "payment"];
const EXIT_CONFIGURATION: i32 = 64;
const INVALID_RULE: &str = "orders.insert.never=kill";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        crate::shared(
            "release_build::test_program_has_fault_injection_and_rejects_an_invalid_rule",
            &[],
            tested,
        ),
        crate::shared("release_build::cargo_build_omits_fault_injection", &[Need::PlainPrograms], built),
    ]
}

async fn tested() -> Result<(), Failed> {
    let program = Path::new(env!("CARGO_BIN_EXE_system-under-test"));
    let found = markers(program)?;
    check(found == MARKERS, || format!("the tested program has only {found:?}"))?;
    let output = start_order(program)?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let rejected = stderr.contains("FAULT_INJECTION environment variable is invalid: ");
    check(rejected && output.status.code() == Some(EXIT_CONFIGURATION), || {
        format!("{}: {stderr}", output.status)
    })
}

async fn built() -> Result<(), Failed> {
    let directory = PathBuf::from(variable("PLAIN_PROGRAMS"));
    for program in PROGRAMS.map(|name| directory.join(name)) {
        let found = markers(&program)?;
        check(found.is_empty(), || format!("{} has fault injection: {found:?}", program.display()))?;
    }
    let output = start_order(&directory.join("order-system"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    check(!stderr.contains("FAULT_INJECTION"), || format!("{}: {stderr}", output.status))
}

/// The markers that the program contains.
fn markers(program: &Path) -> Result<Vec<&'static str>, Failed> {
    let mut found = Vec::new();
    for marker in MARKERS {
        let status = Command::new("grep").args(["-qaF", marker]).arg(program).status()?;
        match status.code() {
            Some(0) => found.push(marker),
            Some(1) => {}
            _ => return Err(format!("cannot search {}: {status}", program.display()).into()),
        }
    }
    Ok(found)
}

/// Starts Order with an invalid rule and without its required variables, so that it exits.
fn start_order(program: &Path) -> Result<Output, Failed> {
    Ok(Command::new(program).arg("order").env_clear().env("FAULT_INJECTION", INVALID_RULE).output()?)
}
