//! Fail-points are in the programs that are tested here, and in no other.
//!
//! The feature `fault-injection` is switched on by `[dev-dependencies]` of system-tests, which cargo heeds only when it builds
//! tests and benches. That nobody switches it on elsewhere is shown of programs that `cargo build` made: `.ci/run` puts
//! them where `PLAIN_PROGRAMS` says. An unoptimised build is the stricter witness, since it drops nothing.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use test_support::{Failed, Need, Trial, check};

/// What a program with fail-points holds.
const TRACES: [&str; 6] = [
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

pub(crate) fn trials() -> Vec<Trial> {
    let tested = Path::new(env!("CARGO_BIN_EXE_system-under-test"));
    vec![
        crate::shared(
            "plain::the_tested_program_has_fault_injection_and_refuses_a_wrong_one",
            &[],
            move || async move {
                check(missing(tested)?.is_empty(), || {
                    format!("the tested program lacks {:?}", missing(tested))
                })?;
                let ended = start_order(tested, "orders.insert.never=kill")?;
                let told = String::from_utf8_lossy(&ended.stderr).into_owned();
                let refused = told.contains("FAULT_INJECTION environment variable is invalid: ");
                check(refused && ended.status.code() == Some(EXIT_CONFIGURATION), || {
                    format!("{}: {told}", ended.status)
                })
            },
        ),
        crate::shared(
            "plain::what_cargo_build_makes_has_no_fault_injection",
            &[Need::PlainPrograms],
            || async {
                let directory = PathBuf::from(crate::variable("PLAIN_PROGRAMS"));
                for program in PROGRAMS.map(|name| directory.join(name)) {
                    let found = TRACES.len() - missing(&program)?.len();
                    check(found == 0, || format!("{} has fail-points", program.display()))?;
                }
                let system = directory.join("order-system");
                let ended = start_order(&system, "orders.insert.never=kill")?;
                let told = String::from_utf8_lossy(&ended.stderr).into_owned();
                check(!told.contains("FAULT_INJECTION"), || format!("{}: {told}", ended.status))
            },
        ),
    ]
}

/// The traces that the program does not hold.
fn missing(program: &Path) -> Result<Vec<&'static str>, Failed> {
    let mut missing = Vec::new();
    for trace in TRACES {
        let searched = Command::new("grep").args(["-qaF", trace]).arg(program).status()?;
        match searched.code() {
            Some(0) => {}
            Some(1) => missing.push(trace),
            _ => return Err(format!("cannot search {}: {searched}", program.display()).into()),
        }
    }
    Ok(missing)
}

/// Starts Order with this variable and nothing that it needs, so that it ends by itself.
fn start_order(program: &Path, faults: &str) -> Result<Output, Failed> {
    Ok(Command::new(program).arg("order").env_clear().env("FAULT_INJECTION", faults).output()?)
}
