//! The command line of the gateway.

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};
use service_kit::{
    env::Vars,
    healthcheck::{self, Probe},
    process::EXIT_CONFIGURATION,
};

use crate::{Config, config::ADMIN_PORT_DEFAULT};

/// Takes orders over HTTP for the Order service. Configured by its environment.
#[derive(Debug, Parser)]
#[command(name = "gateway", version = service_kit::version())]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT; what is done without a command.
    Serve,
    /// Ask the gateway that runs here with the same ADMIN_ADDRESS whether it is ready; exit code 1 where it is not.
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
