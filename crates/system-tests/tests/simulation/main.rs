//! A deterministic simulation of Order and Payment: their real applications and domains, several instances of each, over
//! stores, a network, time, randomness and customers that are simulated behind the ports.
//!
//! A run follows from its seed alone. Things go wrong for a while: errors, lost answers, delays, repeated calls,
//! partitions, kills at any await, clocks that jump, outages of more than a quarter of an hour. Then all is well,
//! everything comes to its end, and every promise is checked against what customers were told.
//!
//!     cargo test -p system-tests --test simulation                           2,000 seeds
//!     SIMULATION_SEEDS=100000 cargo test -p system-tests --test simulation   so many
//!     SIMULATION_SEED=17 cargo test -p system-tests --test simulation        one, with all that happened in it
//!
//! - [`plan`] says what a seed stands for, [`faults`] what can go wrong, [`random`] how it is drawn
//! - [`run`] is one run, [`world`] what all of it shares, [`journal`], [`requests`] and [`tally`] its record
//! - [`hosts`] and [`process`] start, stop and kill instances; [`system`], [`stores`], [`store`] and [`network`] are
//!   what these see of the world; [`kept`] is what the stores hold
//! - [`customers`] ask, [`check`] judges, [`seeds`] runs many

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

mod check;
mod customers;
mod faults;
mod hosts;
mod journal;
mod kept;
mod network;
mod plan;
mod process;
mod random;
mod requests;
mod run;
mod seeds;
mod store;
mod stores;
mod system;
mod tally;
mod world;

use std::process::ExitCode;

use test_support::Trial;

use seeds::Asked;

fn main() -> ExitCode {
    test_support::run(match Asked::from_environment() {
        Asked::One(seed) => vec![Trial::test(format!("seed_{seed}"), move || seeds::one(seed))],
        Asked::Many(seeds) => vec![
            Trial::test("a_seed_always_runs_alike", seeds::reproduce),
            Trial::test(format!("{seeds}_seeds_keep_every_promise"), move || seeds::many(seeds)),
        ],
    })
}
