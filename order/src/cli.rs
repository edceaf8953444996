//! The command line of the Order service.

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};
use service_kit::{
    cli::{self, ServiceCommand},
    env::{self, Vars},
    process,
};

use crate::{
    Config,
    adapters::db::MIGRATIONS,
    config::{ADMIN_ADDRESS, VARIABLES},
};

mod mismatches;
mod prices;

/// Order service: saves orders, charges them through Payment, and settles them.
#[derive(Debug, Parser)]
#[command(name = "order", version = service_kit::version(), after_long_help = env::help(VARIABLES))]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Service(ServiceCommand),
    /// Migrate the schema of the database and exit; requires only DB_DRIVER and DATA_SOURCE_URL
    Migrate,
    /// Load and show the price list; requires only DB_DRIVER and DATA_SOURCE_URL
    #[command(subcommand)]
    Prices(prices::Command),
    /// List the orders that Payment knows with another amount, currency or user; requires only DB_DRIVER and
    /// DATA_SOURCE_URL
    Mismatches {
        /// Also those that an operator has resolved
        #[arg(long)]
        all: bool,
    },
    /// Show an order and what Payment has recorded for it; with --as, resolve the mismatch. Requires DB_DRIVER,
    /// DATA_SOURCE_URL and PAYMENT_SERVICE_URL
    Resolve(mismatches::Resolve),
}

/// Runs the command in `args` as the whole process; the first argument is the name of the program.
pub fn run(args: impl IntoIterator<Item = OsString>, vars: &Vars) -> ExitCode {
    let command = match cli::parse(args) {
        Ok(Arguments { command }) => command.unwrap_or(Command::Service(ServiceCommand::Serve)),
        Err(code) => return code,
    };
    match command {
        Command::Service(command) => {
            command.run(vars, &ADMIN_ADDRESS, Config::read, |config| &config.process, crate::run)
        }
        Command::Migrate => migrate(vars),
        Command::Prices(command) => prices::run(command, vars),
        Command::Mismatches { all } => mismatches::list(all, vars),
        Command::Resolve(command) => mismatches::resolve(command, vars),
    }
}

/// Migrates the schema of the database of `vars`, as the whole process.
pub fn migrate(vars: &Vars) -> ExitCode {
    process::run_once(vars, database::Config::read_for_command(vars), async |config| {
        database::migrate(&config, &MIGRATIONS).await?;
        Ok::<_, database::OpenError>(format!("the database {} is up to date", config.url))
    })
}
