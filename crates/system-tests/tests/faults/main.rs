//! The services as processes that are killed, frozen, cut off and made to fail at named points, on each database;
//! what customers were told is held against the books.
//!
//!     cargo test -p system-tests --test faults                                          20 random schedules on SQLite, and all the rest
//!     SCHEDULES=500 cargo test -p system-tests --release --test faults -- random        500 over the three databases
//!     SCHEDULE_SEED=7 cargo test -p system-tests --test faults -- random                the one that a failure names
//!     REQUIRE=mariadb,postgres cargo test -p system-tests --test faults                 a database that is missing is a failure

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

mod books;
mod crashes;
mod customer;
mod dice;
mod house;
mod judge;
mod orphans;
mod outage;
mod plain;
mod proxy;
mod random;
mod rolling;

use std::process::ExitCode;

use test_support::{Failed, Need, Trial, server::Kind};
use tokio::sync::RwLock;

fn main() -> ExitCode {
    let everywhere = books::On::ALL.into_iter().flat_map(|on| -> Vec<Trial> {
        [crashes::trials(on), outage::trials(on), orphans::trials(on)].into_iter().flatten().collect()
    });
    let servers = Kind::ALL.into_iter().flat_map(rolling::trials);
    test_support::run(
        everywhere.chain(servers).chain(random::trials()).chain(plain::trials()).chain(judge::lies::trials()),
    )
}

/// Whoever measures has the machine alone; all others share it.
static MACHINE: RwLock<()> = RwLock::const_new(());

/// A trial that does not mind others beside it.
fn shared<F>(name: &str, needs: &[Need], body: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = Result<(), Failed>>,
{
    test_support::trial(name, needs, move || async move {
        let _shared = MACHINE.read().await;
        body().await
    })
}

/// `DB_DRIVER` for this kind of server.
fn driver(kind: Kind) -> &'static str {
    match kind {
        Kind::MariaDb => "mysql",
        Kind::Postgres => "postgres",
    }
}

/// Tells a figure to whoever runs the trials.
#[allow(clippy::print_stdout, reason = "figures are what some of these trials are run for")]
fn say(figure: &str) {
    println!("   {figure}");
}

/// A variable that says how to test; empty where it is not set.
#[allow(
    clippy::disallowed_methods,
    reason = "a switch of the tests themselves, not configuration of a service"
)]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
