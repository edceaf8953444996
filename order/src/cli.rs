//! The command line of the service.

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};
use service_kit::{
    env::Vars,
    healthcheck::{self, Probe},
    process::EXIT_CONFIGURATION,
};

use crate::{Config, adapters::db::MIGRATIONS, config::ADMIN_PORT_DEFAULT};

mod prices;

/// Saves orders, charges customers through Payment, and settles the orders. Configured by its environment.
#[derive(Debug, Parser)]
#[command(name = "order", version = service_kit::version())]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT; what is done without a command.
    Serve,
    /// Bring the schema of the database up to date and exit; needs only DB_DRIVER and DATA_SOURCE_URL.
    Migrate,
    /// Load and show the price list; needs only DB_DRIVER and DATA_SOURCE_URL.
    #[command(subcommand)]
    Prices(prices::Command),
    /// Ask the service that runs here with the same ADMIN_ADDRESS whether it is ready; exit code 1 where it
    /// is not.
    Healthcheck {
        /// Ask whether it runs at all.
        #[arg(long)]
        live: bool,
    },
}

/// Does what `args` say, the first of which is the program's own name, as this whole process.
pub fn run(args: impl IntoIterator<Item = OsString>, vars: &Vars) -> ExitCode {
    match Cli::try_parse_from(args) {
        Ok(Cli { command: None | Some(Command::Serve) }) => {
            service_kit::process::run(Config::read(vars), |config| &config.process, crate::run)
        }
        Ok(Cli { command: Some(Command::Migrate) }) => migrate(vars),
        Ok(Cli { command: Some(Command::Prices(command)) }) => prices::run(command, vars),
        Ok(Cli { command: Some(Command::Healthcheck { live }) }) => {
            healthcheck::run(vars, ADMIN_PORT_DEFAULT, if live { Probe::Live } else { Probe::Ready })
        }
        Err(told) => {
            // Nobody is left to hear of a terminal that is gone.
            let _ = told.print();
            if told.use_stderr() { ExitCode::from(EXIT_CONFIGURATION) } else { ExitCode::SUCCESS }
        }
    }
}

/// Brings the schema of the database that `vars` name up to date, as this whole process.
pub fn migrate(vars: &Vars) -> ExitCode {
    service_kit::process::run_once(
        database::Config::read_for_command(vars),
        vars.get("RUST_LOG"),
        async |config| {
            database::migrate(&config, &MIGRATIONS).await?;
            Ok::<_, database::OpenError>(format!("the database {} is up to date", config.url))
        },
    )
}
