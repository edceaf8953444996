//! What an operator types: nothing to serve, or a command that reads or changes the database and ends.
//!
//! Exit codes: 0; 64 where an argument or a variable is wrong; 69 where the database cannot be had, what
//! was asked for was not done, or there is no such account.

use std::{ffi::OsString, fmt::Write as _, process::ExitCode, sync::Arc};

use clap::{Parser, Subcommand, error::ErrorKind};
use database::Database;
use money::{Currency, Money};
use prost_types::Timestamp;
use service_kit::{
    env::Vars,
    healthcheck::{self, Probe},
    process::{self, EXIT_CONFIGURATION, EXIT_UNAVAILABLE},
};

use crate::{
    Config,
    adapters::{
        db::{DbAccounts, MIGRATIONS},
        runtime::{SystemClock, TimeOrderedIds},
    },
    application::{AccountService, SetLimit},
    config::ADMIN_PORT_DEFAULT,
    domain::{Account, LimitChange, Operator, Reason, UserId},
};

/// Charges customers for their orders. Without a command: serves, configured by the environment.
#[derive(Debug, Parser)]
#[command(
    name = "payment",
    version = service_kit::version(),
    after_help = "Commands of the database need only DB_DRIVER and DATA_SOURCE_URL.\n\
    Exit codes: 0; 64: an argument or a variable is wrong; 69: the database cannot be had, what was asked for \
    was not done, or there is no such account."
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Brings the database's schema up to date.
    Migrate,
    /// Asks the service that runs here with the same ADMIN_ADDRESS whether it is ready; exit code 1 where it is not.
    Healthcheck {
        /// Asks whether it runs at all.
        #[arg(long)]
        live: bool,
    },
    /// Shows and changes what a customer may be charged.
    #[command(subcommand)]
    Account(AccountCommand),
}

#[derive(Debug, Subcommand)]
enum AccountCommand {
    /// Shows limit, charged and available amount, and the last changes of the limit.
    Show {
        /// Whose account: a whole number above 0.
        #[arg(long, value_name = "ID", value_parser = user)]
        user: UserId,
        /// Its currency, USD for instance; absent: every account of the user.
        #[arg(long, value_name = "CODE", value_parser = Currency::from_code)]
        currency: Option<Currency>,
    },
    /// Sets the limit of an account, which is opened where it is missing.
    SetLimit {
        /// Whose account: a whole number above 0.
        #[arg(long, value_name = "ID", value_parser = user)]
        user: UserId,
        /// Its currency, USD for instance.
        #[arg(long, value_name = "CODE", value_parser = Currency::from_code)]
        currency: Currency,
        /// The limit in major units, 5000 or 5000.50 for instance: exact, never rounded.
        #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
        limit: String,
        /// Who sets it, to be recorded: up to 100 characters.
        #[arg(long, value_name = "NAME")]
        by: Operator,
        /// Why, to be recorded: up to 500 characters.
        #[arg(long, value_name = "TEXT")]
        reason: Option<Reason>,
    },
}

/// Does what `args` (the program's name first) say.
pub fn run(args: impl IntoIterator<Item = OsString>, vars: &Vars) -> ExitCode {
    let command = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments.command,
        Err(error) => return refuse(&error),
    };
    let log_filter = vars.get("RUST_LOG");
    match command {
        None => process::run(Config::read(vars), |config| &config.process, crate::run),
        Some(Command::Migrate) => {
            process::run_once(database::Config::read_for_command(vars), log_filter, async |config| {
                database::migrate(&config, &MIGRATIONS)
                    .await
                    .map(|()| format!("{} is up to date", config.url))
            })
        }
        Some(Command::Healthcheck { live }) => {
            healthcheck::run(vars, ADMIN_PORT_DEFAULT, if live { Probe::Live } else { Probe::Ready })
        }
        Some(Command::Account(command)) => {
            let asked = match asked(command) {
                Ok(asked) => asked,
                Err(line) => return process::fail(EXIT_CONFIGURATION, &line),
            };
            process::run_once(database::Config::read_for_command(vars), log_filter, |config| {
                account(config, asked)
            })
        }
    }
}

enum Asked {
    Show { user: UserId, currency: Option<Currency> },
    SetLimit(SetLimit),
}

fn asked(command: AccountCommand) -> Result<Asked, String> {
    match command {
        AccountCommand::Show { user, currency } => Ok(Asked::Show { user, currency }),
        AccountCommand::SetLimit { user, currency, limit, by: operator, reason } => {
            let limit = Money::parse(currency, &limit)
                .map_err(|error| format!("invalid value {limit:?} for '--limit <AMOUNT>': {error}"))?;
            Ok(Asked::SetLimit(SetLimit { user, limit, operator, reason }))
        }
    }
}

async fn account(config: database::Config, asked: Asked) -> Result<String, String> {
    let database = Database::open(&config, &MIGRATIONS).await.map_err(|error| error.to_string())?;
    let accounting = AccountService {
        accounts: Arc::new(DbAccounts::new(database.clone())),
        clock: Arc::new(SystemClock),
        ids: Arc::new(TimeOrderedIds::default()),
    };
    let told = match asked {
        Asked::Show { user, currency } => {
            let found = accounting.show(user, currency).await;
            found.map(|accounts| accounts.iter().map(shown).collect()).map_err(|error| error.to_string())
        }
        Asked::SetLimit(asked) => {
            let change = accounting.set_limit(asked).await.map_err(|error| error.to_string());
            change.map(|change| {
                format!("user {}, {}: limit {}\n", change.user, change.after.currency(), step(&change))
            })
        }
    };
    database.close().await;
    told
}

fn shown(account: &Account) -> String {
    let (currency, available) = (account.limit.currency(), account.available());
    let mut text = format!(
        "user {}, {currency}: limit {}, charged {}, available {available}\n",
        account.user, account.limit, account.charged
    );
    for change in &account.changes {
        let reason = change.reason.as_ref().map(|reason| format!(": {}", reason.as_str()));
        let (when, by) = (time(change.changed_ms), change.operator.as_str());
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  {when}  {} by {by}{}", step(change), reason.unwrap_or_default());
    }
    text
}

fn step(change: &LimitChange) -> String {
    let before = change.before.map_or_else(|| "no account".to_owned(), |before| before.to_string());
    format!("{before} → {}", change.after)
}

fn time(ms: i64) -> String {
    let nanos = i32::try_from(ms.rem_euclid(1000)).unwrap_or_default() * 1_000_000;
    Timestamp { seconds: ms.div_euclid(1000), nanos }.to_string()
}

fn user(text: &str) -> Result<UserId, &'static str> {
    text.parse().ok().and_then(UserId::new).ok_or("accepted: a whole number from 1 to 9223372036854775807")
}

/// Prints the help that was asked for, or what is wrong as one line.
fn refuse(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match error.print() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => process::fail(EXIT_UNAVAILABLE, &error),
        },
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            process::fail(EXIT_CONFIGURATION, &"a subcommand is missing; --help tells which there are")
        }
        _ => {
            let text = error.to_string();
            let lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
            let line = lines.collect::<Vec<_>>().join(" ");
            process::fail(EXIT_CONFIGURATION, &line.trim_start_matches("error: "))
        }
    }
}
