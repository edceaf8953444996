//! What was seen, counted: a check of what never happens checks nothing.

use std::fmt;

use crate::{faults::Fault, requests::Told};

/// Counts over a run, or over many.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    pub(crate) seeds: u64,
    pub(crate) calm_seeds: u64,
    pub(crate) orders: u64,
    pub(crate) requests: u64,
    faults: Vec<u64>,
    told: Vec<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            seeds: 0,
            calm_seeds: 0,
            orders: 0,
            requests: 0,
            faults: vec![0; Fault::ALL.len()],
            told: vec![0; Told::KINDS.len()],
        }
    }
}

impl Tally {
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faults[fault as usize] += 1;
    }

    pub(crate) fn told(&mut self, told: &Told) {
        self.told[told.kind()] += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.calm_seeds += other.calm_seeds;
        self.orders += other.orders;
        self.requests += other.requests;
        let sums = self.faults.iter_mut().chain(&mut self.told);
        for (sum, more) in sums.zip(other.faults.iter().chain(&other.told)) {
            *sum += more;
        }
    }

    /// The kinds of fault and of answer that were never seen.
    pub(crate) fn never_seen(&self) -> Vec<String> {
        self.counts().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
    }

    fn counts(&self) -> impl Iterator<Item = (String, u64)> {
        let faults = Fault::ALL.iter().map(|fault| format!("{fault:?}")).zip(self.faults.iter().copied());
        let told = Told::KINDS.iter().map(|kind| format!("told {kind}")).zip(self.told.iter().copied());
        faults.chain(told)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seeds, calm_seeds, orders, requests, .. } = self;
        writeln!(f, "{seeds} seeds ({calm_seeds} calm), {orders} orders, {requests} requests")?;
        for (name, count) in self.counts() {
            writeln!(f, "{count:>10} {name}")?;
        }
        Ok(())
    }
}
