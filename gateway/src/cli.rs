//! The command line of the gateway.

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};
use service_kit::{
    env::Vars,
    healthcheck::{self, Probe},
    process::EXIT_CONFIGURATION,
};

use crate::{Config, config::ADMIN_PORT_DEFAULT};

/// Takes orders over HTTP for the Order service. Configured by environment variables.
#[derive(Debug, Parser)]
#[command(name = "gateway", version = service_kit::version())]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT; the default command.
    Serve,
    /// Probe the readiness of the gateway on this host with the same ADMIN_ADDRESS; exit code 1 if it is not ready.
    Healthcheck {
        /// Probe liveness instead of readiness.
        #[arg(long)]
        live: bool,
    },
}

/// Runs the command of `args`, the first of which is the program's name, and returns the process's exit code.
pub fn run(args: impl IntoIterator<Item = OsString>, vars: &Vars) -> ExitCode {
    match Cli::try_parse_from(args) {
        Ok(Cli { command: None | Some(Command::Serve) }) => {
            service_kit::process::run(Config::read(vars), |config| &config.process, crate::run)
        }
        Ok(Cli { command: Some(Command::Healthcheck { live }) }) => {
            healthcheck::run(vars, ADMIN_PORT_DEFAULT, if live { Probe::Live } else { Probe::Ready })
        }
        Err(error) => {
            // A closed terminal is no reason to fail.
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(EXIT_CONFIGURATION) } else { ExitCode::SUCCESS }
        }
    }
}
