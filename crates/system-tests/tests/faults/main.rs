//! The services as processes that are killed, frozen, disconnected and made to fail at named points, on each
//! database. After every run, the responses that clients received are checked against the rows in the
//! databases.
//!
//! - `cargo test -p system-tests --test faults`: all trials, with 20 random schedules on SQLite
//! - `SCHEDULES=500 cargo test -p system-tests --release --test faults -- random`: 500 schedules over the
//!   three databases
//! - `SCHEDULE_SEED=7 cargo test -p system-tests --test faults -- random`: the schedule that a failure names
//! - `REQUIRE=mariadb,postgres cargo test -p system-tests --test faults`: a missing database is a failure

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test states its expectations by failing")]

mod cluster;
mod crashes;
mod db_snapshot;
mod invariants;
mod orphans;
mod outage;
mod proxy;
mod random;
mod release_build;
mod rolling_restart;

use std::process::ExitCode;

use test_support::{Failed, Need, Trial, server::Kind};
use tokio::sync::RwLock;

fn main() -> ExitCode {
    let per_database = db_snapshot::DatabaseKind::ALL.into_iter().flat_map(|database| {
        [crashes::trials(database), outage::trials(database), orphans::trials(database)].into_iter().flatten()
    });
    let per_server = Kind::ALL.into_iter().flat_map(rolling_restart::trials);
    test_support::run(
        per_database
            .chain(per_server)
            .chain(random::trials())
            .chain(release_build::trials())
            .chain(invariants::invariants_test::trials()),
    )
}

/// A trial that measures time holds the write lock; all others share the machine.
static MACHINE_LOCK: RwLock<()> = RwLock::const_new(());

/// A trial that runs beside others.
fn shared<F>(name: &str, needs: &[Need], body: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = Result<(), Failed>>,
{
    test_support::trial(name, needs, move || async move {
        let _shared = MACHINE_LOCK.read().await;
        body().await
    })
}

#[allow(clippy::print_stdout, reason = "some trials report figures")]
fn print_figure(figure: &str) {
    println!("   {figure}");
}
