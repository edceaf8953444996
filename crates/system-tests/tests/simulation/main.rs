//! A deterministic simulation of Order and Payment: several instances of each run their real application and
//! domain code over simulated stores, network, clocks, randomness and clients, which implement the ports.
//!
//! A seed determines a run. For a while there are faults: errors, lost replies, delays, duplicate calls,
//! partitions, kills at any await, clock jumps, and outages longer than 15 minutes. Then the system heals,
//! every order reaches a final state, and every response is checked against that state.
//!
//!     cargo test -p system-tests --test simulation                           2,000 seeds
//!     SIMULATION_SEEDS=100000 cargo test -p system-tests --test simulation   another number of seeds
//!     SIMULATION_SEED=17 cargo test -p system-tests --test simulation        one seed, with its event log
//!
//! - [`plan`]: what a seed determines; [`faults`]: the kinds of fault and their rates
//! - [`run`]: one run; [`simulation`]: the state that all of it shares; [`event_log`], [`client_requests`]
//!   and [`counters`]: its records
//! - [`hosts`] and [`process`] start, stop and kill instances; [`instance`], [`faulty_stores`],
//!   [`store_calls`] and [`network`] implement their ports; [`state_history`] holds the rows
//! - [`clients`] place orders; [`invariants`] are checked at the end; [`seeds`] runs many seeds

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test states its expectations by failing")]

mod client_requests;
mod clients;
mod counters;
mod event_log;
mod faults;
mod faulty_stores;
mod hosts;
mod instance;
mod invariants;
mod network;
mod plan;
mod process;
mod run;
mod seeds;
mod simulation;
mod state_history;
mod store_calls;

use std::process::ExitCode;

use test_support::Trial;

use seeds::Selection;

fn main() -> ExitCode {
    test_support::run(match Selection::from_environment() {
        Selection::One(seed) => vec![Trial::test(format!("seed_{seed}"), move || seeds::one(seed))],
        Selection::Many(seeds) => vec![
            Trial::test("a_seed_gives_one_history", seeds::reproduce),
            Trial::test(format!("{seeds}_seeds_keep_the_invariants"), move || seeds::many(seeds)),
        ],
    })
}
