//! Which seeds are run, on as many threads as there are cores, and what is told of them.

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

use test_support::{Failed, check};

use crate::{
    run::{Ended, run},
    tally::Tally,
};

/// How many seeds are run where nobody says otherwise.
const SEEDS: u64 = 2_000;
/// Lines of a journal that are shown of a run that failed.
const TAIL_LINES: usize = 120;

/// What the environment asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked {
    /// `SIMULATION_SEED`: this one, with all that happened.
    One(u64),
    /// `SIMULATION_SEEDS`: so many, from 0 on.
    Many(u64),
}

impl Asked {
    pub(crate) fn from_environment() -> Self {
        match (number("SIMULATION_SEED"), number("SIMULATION_SEEDS")) {
            (Some(seed), _) => Self::One(seed),
            (None, seeds) => Self::Many(seeds.unwrap_or(SEEDS)),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "switches of the test itself, not configuration of a service")]
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// A seed always runs alike.
pub(crate) fn reproduce() -> Result<(), Failed> {
    for seed in [1, 2, 3] {
        let (first, second) = (run(seed), run(seed));
        let differs = first.journal.iter().zip(&second.journal).find(|(one, other)| one != other);
        check(first.hash == second.hash, || format!("seed {seed} runs differently: {differs:#?}"))?;
    }
    Ok(())
}

/// Runs one seed and prints all that happened.
#[allow(clippy::print_stdout, reason = "what was asked for")]
pub(crate) fn one(seed: u64) -> Result<(), Failed> {
    let ended = run(seed);
    println!("{}\n{}", ended.journal.join("\n"), ended.tally);
    check(ended.violations.is_empty(), || report(&ended))
}

/// Runs so many seeds, up to the first that fails.
#[allow(clippy::print_stdout, reason = "the figures are a result too")]
pub(crate) fn many(seeds: u64) -> Result<(), Failed> {
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let sum: Mutex<(Tally, Vec<Ended>)> = Mutex::default();
    let began = Instant::now();
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                break;
            }
            let ended = run(seed);
            let (tally, failures) = &mut *sum.lock().unwrap();
            tally.add(&ended.tally);
            if !ended.violations.is_empty() {
                failed.store(true, Ordering::Relaxed);
                failures.push(ended);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    let (tally, mut failures) = sum.into_inner().unwrap();
    println!("{tally}{:?}", began.elapsed());
    failures.sort_by_key(|ended| ended.seed);
    check(failures.is_empty(), || failures.iter().map(report).collect())?;
    let missing = tally.never_seen();
    check(seeds < SEEDS || missing.is_empty(), || format!("never happened in {seeds} seeds: {missing:?}"))
}

/// The seed, what it broke, and what happened last.
fn report(ended: &Ended) -> String {
    let Ended { seed, violations, journal, .. } = ended;
    let mut report = String::new();
    let tail = journal.len().saturating_sub(TAIL_LINES);
    let _ = writeln!(report, "\n{}", journal[tail..].join("\n"));
    let _ = writeln!(report, "seed {seed} broke {} promises:", violations.len());
    for violation in violations {
        let _ = writeln!(report, "- {violation}");
    }
    let _ = writeln!(report, "SIMULATION_SEED={seed} cargo test -p system-tests --test simulation");
    report
}
