//! Servers whose settings may lose commits.

use database::{Config, Database, OpenError, Waiver};
use service_kit::env::Mode;
use test_support::{
    Failed, Trial, check,
    server::{Kind, Server},
};

use super::{config, driver, on};
use crate::fixtures::{FIRST, migrations};

pub(super) fn trials(kind: Kind) -> Vec<Trial> {
    vec![
        on(kind, "production_rejects_a_server_that_may_lose_commits", refused),
        on(kind, "production_accepts_default_settings", taken),
    ]
}

async fn refused(kind: Kind) -> Result<(), Failed> {
    let (options, waivers): (&[&str], &[Waiver]) = match kind {
        Kind::MariaDb => (
            &["--innodb-flush-log-at-trx-commit=2", "--log-bin=binlog", "--server-id=1", "--sync-binlog=0"],
            &[Waiver::InnodbFlushLogAtTrxCommit, Waiver::SyncBinlog],
        ),
        Kind::Postgres => (
            &["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"],
            &[Waiver::Fsync, Waiver::SynchronousCommit, Waiver::FullPageWrites],
        ),
    };
    let server = Server::start_with(kind, options).await?;
    server.create_database("orders").await?;
    let development = config(driver(kind), &server.url("orders"));
    Database::open(&development, migrations(&[FIRST])).await?;
    for missing in waivers {
        let waived = waivers.iter().filter(|waiver| *waiver != missing).copied().collect();
        let production = Config { mode: Mode::Production, waived, ..development.clone() };
        let error = Database::open(&production, migrations(&[FIRST])).await.unwrap_err();
        let message = error.to_string();
        let named: Vec<_> = waivers.iter().filter(|waiver| message.contains(waiver.name())).collect();
        check(matches!(error, OpenError::Settings { .. }) && named == [missing], || message.clone())?;
    }
    let production = Config { mode: Mode::Production, waived: waivers.to_vec(), ..development };
    Database::open(&production, migrations(&[FIRST])).await?;
    Ok(())
}

async fn taken(kind: Kind) -> Result<(), Failed> {
    let (_, _, development) = super::fresh(kind).await?;
    Database::open(&Config { mode: Mode::Production, ..development }, migrations(&[FIRST])).await?;
    Ok(())
}
