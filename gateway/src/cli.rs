//! The command line of the gateway.

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;
use service_kit::{
    cli::{self, ServiceCommand},
    env::{self, Vars},
};

use crate::{
    Config,
    config::{ADMIN_ADDRESS, VARIABLES},
};

/// HTTP gateway of the order system: places and reads orders at the Order service.
#[derive(Debug, Parser)]
#[command(name = "gateway", version = service_kit::version(), after_long_help = env::help(VARIABLES))]
struct Arguments {
    #[command(subcommand)]
    command: Option<ServiceCommand>,
}

/// Runs the command in `args` as the whole process; the first argument is the name of the program.
pub fn run(args: impl IntoIterator<Item = OsString>, vars: &Vars) -> ExitCode {
    match cli::parse(args) {
        Ok(Arguments { command }) => command.unwrap_or_default().run(
            vars,
            &ADMIN_ADDRESS,
            Config::read,
            |config| &config.process,
            crate::run,
        ),
        Err(code) => code,
    }
}
