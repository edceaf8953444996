//! Runs seeds, one thread per core, and reports.

use std::{
    fmt::Write,
    num::NonZero,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use test_support::{Failed, check, variable};

use crate::{
    counters::Counters,
    run::{RunResult, run},
};

/// The number of seeds unless `SIMULATION_SEEDS` is set.
const SEEDS: u64 = 2_000;
/// Lines of the event log that the report of a failed run shows.
const TAIL_LINES: usize = 120;

/// The seeds that the environment selects.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Selection {
    /// `SIMULATION_SEED`: this seed, with its event log.
    One(u64),
    /// `SIMULATION_SEEDS`: so many seeds, from 0 on.
    Many(u64),
}

impl Selection {
    pub(crate) fn from_environment() -> Self {
        match (number("SIMULATION_SEED"), number("SIMULATION_SEEDS")) {
            (Some(seed), _) => Self::One(seed),
            (None, seeds) => Self::Many(seeds.unwrap_or(SEEDS)),
        }
    }
}

fn number(name: &str) -> Option<u64> {
    let text = variable(name);
    (!text.is_empty()).then(|| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// A seed gives the same history in every run.
pub(crate) fn reproduce() -> Result<(), Failed> {
    for seed in [1, 2, 3] {
        let (first, second) = (run(seed), run(seed));
        let difference = first.events.iter().zip(&second.events).find(|(one, other)| one != other);
        check(first.hash == second.hash, || format!("seed {seed} runs differently: {difference:#?}"))?;
    }
    Ok(())
}

/// Runs one seed and prints its event log.
#[allow(clippy::print_stdout, reason = "SIMULATION_SEED requests the log")]
pub(crate) fn one(seed: u64) -> Result<(), Failed> {
    let result = run(seed);
    println!("{}\n{}", result.events.join("\n"), result.counters);
    check(result.violations.is_empty(), || report(&result))
}

/// Runs seeds until one fails.
#[allow(clippy::print_stdout, reason = "the counts are a result of the test")]
pub(crate) fn many(seeds: u64) -> Result<(), Failed> {
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let sum: Mutex<(Counters, Vec<RunResult>)> = Mutex::default();
    let started = Instant::now();
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                break;
            }
            let result = run(seed);
            let (counters, failures) = &mut *sum.lock().unwrap();
            counters.add(&result.counters);
            if !result.violations.is_empty() {
                failed.store(true, Ordering::Relaxed);
                failures.push(result);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    let (counters, mut failures) = sum.into_inner().unwrap();
    println!("{counters}{:?}", started.elapsed());
    failures.sort_by_key(|result| result.seed);
    check(failures.is_empty(), || failures.iter().map(report).collect())?;
    let missing = counters.never_seen();
    check(seeds < SEEDS || missing.is_empty(), || format!("never happened in {seeds} seeds: {missing:?}"))
}

/// The end of the event log, the violations, and the command that repeats the run.
fn report(result: &RunResult) -> String {
    let RunResult { seed, violations, events, .. } = result;
    let mut report = String::new();
    let tail = events.len().saturating_sub(TAIL_LINES);
    let _ = writeln!(report, "\n{}", events[tail..].join("\n"));
    let _ = writeln!(report, "seed {seed}: {} violations:", violations.len());
    for violation in violations {
        let _ = writeln!(report, "- {violation}");
    }
    let _ = writeln!(report, "SIMULATION_SEED={seed} cargo test -p system-tests --test simulation");
    report
}
