//! Counts of faults and outcomes. The test fails if one of them never happens, since it is not tested then.

use std::fmt;

use crate::{client_requests::RequestOutcome, faults::Fault};

/// The counts of one run, or of many.
#[derive(Debug, Clone)]
pub(crate) struct Counters {
    pub(crate) seeds: u64,
    pub(crate) fault_free_seeds: u64,
    pub(crate) orders: u64,
    pub(crate) requests: u64,
    faults: Vec<u64>,
    outcomes: Vec<u64>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            seeds: 0,
            fault_free_seeds: 0,
            orders: 0,
            requests: 0,
            faults: vec![0; Fault::ALL.len()],
            outcomes: vec![0; RequestOutcome::KINDS.len()],
        }
    }
}

impl Counters {
    pub(crate) fn count_fault(&mut self, fault: Fault) {
        self.faults[fault as usize] += 1;
    }

    pub(crate) fn count_outcome(&mut self, outcome: &RequestOutcome) {
        self.outcomes[outcome.kind()] += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.fault_free_seeds += other.fault_free_seeds;
        self.orders += other.orders;
        self.requests += other.requests;
        let sums = self.faults.iter_mut().chain(&mut self.outcomes);
        for (sum, more) in sums.zip(other.faults.iter().chain(&other.outcomes)) {
            *sum += more;
        }
    }

    /// The kinds of fault and of outcome with a count of zero.
    pub(crate) fn never_seen(&self) -> Vec<String> {
        self.counts().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
    }

    fn counts(&self) -> impl Iterator<Item = (String, u64)> {
        let faults = Fault::ALL.iter().map(|fault| format!("{fault:?}")).zip(self.faults.iter().copied());
        let outcomes = RequestOutcome::KINDS.iter().map(|kind| format!("outcome {kind}"));
        faults.chain(outcomes.zip(self.outcomes.iter().copied()))
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seeds, fault_free_seeds, orders, requests, .. } = self;
        writeln!(
            f,
            "{seeds} seeds ({fault_free_seeds} without faults), {orders} orders, {requests} requests"
        )?;
        for (name, count) in self.counts() {
            writeln!(f, "{count:>10} {name}")?;
        }
        Ok(())
    }
}
