//! The parts of a command line that all services share.

use std::{ffi::OsString, fmt::Display, future::Future, process::ExitCode};

use clap::{Parser, Subcommand, error::ErrorKind};
use tokio_util::sync::CancellationToken;

use crate::{
    env::{EnvErrors, Variable, Vars},
    healthcheck::{self, Probe},
    process::{self, EXIT_CONFIGURATION, Process},
};

/// The commands of every service.
#[derive(Debug, Clone, Copy, Default, Subcommand)]
pub enum ServiceCommand {
    /// Serve until SIGTERM, SIGINT or SIGHUP; the default
    #[default]
    Serve,
    /// Query the service that runs on this host with the same ADMIN_ADDRESS; exit code 1 where it is not
    /// ready
    Healthcheck {
        /// Query whether the process runs, instead of whether it is ready
        #[arg(long)]
        live: bool,
    },
}

impl ServiceCommand {
    /// Runs the command as the whole process, with the configuration that `read` makes of `vars`.
    pub fn run<C, F, E>(
        self,
        vars: &Vars,
        admin_address: &Variable,
        read: impl FnOnce(&Vars) -> Result<C, EnvErrors>,
        process: impl FnOnce(&C) -> &Process,
        service: impl FnOnce(C, CancellationToken) -> F,
    ) -> ExitCode
    where
        F: Future<Output = Result<(), E>>,
        E: Display,
    {
        match self {
            Self::Serve => process::run(vars, read(vars), process, service),
            Self::Healthcheck { live } => {
                healthcheck::run(vars, admin_address, if live { Probe::Live } else { Probe::Ready })
            }
        }
    }
}

/// Parses a command line; the first argument is the name of the program.
///
/// # Errors
///
/// The exit code after help or version were printed on stdout, or [`EXIT_CONFIGURATION`] after one line on
/// stderr.
pub fn parse<C: Parser>(args: impl IntoIterator<Item = OsString>) -> Result<C, ExitCode> {
    C::try_parse_from(args).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that closes the pipe early has read enough.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            process::fail(EXIT_CONFIGURATION, &"a subcommand is missing; --help lists them")
        }
        _ => {
            let text = error.to_string();
            let lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
            let line = lines.collect::<Vec<_>>().join(" ");
            process::fail(EXIT_CONFIGURATION, &line.trim_start_matches("error: "))
        }
    })
}
