//! The command line of the Payment service.

use std::{ffi::OsString, fmt::Write as _, process::ExitCode, sync::Arc};

use clap::{Parser, Subcommand};
use database::Database;
use money::{Currency, Money};
use prost_types::Timestamp;
use service_kit::{
    cli::{self, ServiceCommand},
    env::{self, Vars},
    process::{self, EXIT_CONFIGURATION},
};

use crate::{
    Config,
    adapters::{
        db::{DbAccounts, MIGRATIONS},
        runtime::{SystemClock, TimeOrderedIds},
    },
    application::{AccountService, SetLimit},
    config::{ADMIN_ADDRESS, VARIABLES},
    domain::{Account, LimitChange, Operator, Reason, UserId},
};

const EXIT_CODES: &str = "\
Exit codes: 0; 64: an argument or a variable is wrong; 69: the database is unavailable, the command failed, \
or there is no such account.";

/// Payment service: charges orders against the credit limits of accounts.
#[derive(Debug, Parser)]
#[command(
    name = "payment",
    version = service_kit::version(),
    after_help = EXIT_CODES,
    after_long_help = format!("{EXIT_CODES}\n\n{}", env::help(VARIABLES))
)]
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
    /// Show and change credit limits; requires only DB_DRIVER and DATA_SOURCE_URL
    #[command(subcommand)]
    Account(AccountCommand),
}

#[derive(Debug, Subcommand)]
enum AccountCommand {
    /// Show limit, charged and available amount, and the last changes of the limit
    Show {
        /// The user of the account: a whole number above 0
        #[arg(long, value_name = "ID", value_parser = user)]
        user: UserId,
        /// The currency of the account, USD for instance; without it, all accounts of the user
        #[arg(long, value_name = "CODE", value_parser = Currency::from_stored)]
        currency: Option<Currency>,
    },
    /// Set the limit of an account, and open the account if it does not exist
    SetLimit {
        /// The user of the account: a whole number above 0
        #[arg(long, value_name = "ID", value_parser = user)]
        user: UserId,
        /// The currency of the account, USD for instance
        #[arg(long, value_name = "CODE", value_parser = Currency::from_stored)]
        currency: Currency,
        /// The limit in major units, 5000 or 5000.50 for instance; it is never rounded
        #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
        limit: String,
        /// The name of the operator, for the record: up to 100 characters
        #[arg(long, value_name = "NAME")]
        by: Operator,
        /// The reason, for the record: up to 500 characters
        #[arg(long, value_name = "TEXT")]
        reason: Option<Reason>,
    },
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
        Command::Migrate => {
            process::run_once(vars, database::Config::read_for_command(vars), async |config| {
                database::migrate(&config, &MIGRATIONS)
                    .await
                    .map(|()| format!("the database {} is up to date", config.url))
            })
        }
        Command::Account(command) => match parse(command) {
            Ok(request) => process::run_once(vars, database::Config::read_for_command(vars), |config| {
                account(config, request)
            }),
            Err(line) => process::fail(EXIT_CONFIGURATION, &line),
        },
    }
}

enum AccountRequest {
    Show { user: UserId, currency: Option<Currency> },
    SetLimit(SetLimit),
}

fn parse(command: AccountCommand) -> Result<AccountRequest, String> {
    match command {
        AccountCommand::Show { user, currency } => Ok(AccountRequest::Show { user, currency }),
        AccountCommand::SetLimit { user, currency, limit, by: operator, reason } => {
            let limit = Money::parse(currency, &limit)
                .map_err(|error| format!("invalid value {limit:?} for '--limit <AMOUNT>': {error}"))?;
            Ok(AccountRequest::SetLimit(SetLimit { user, limit, operator, reason }))
        }
    }
}

async fn account(config: database::Config, request: AccountRequest) -> Result<String, String> {
    let opened = Database::open_existing(&config, &MIGRATIONS).await;
    let database = opened.map_err(|error| error.to_string())?;
    let account_service = AccountService {
        accounts: Arc::new(DbAccounts::new(database.clone())),
        clock: Arc::new(SystemClock),
        ids: Arc::new(TimeOrderedIds::default()),
    };
    let output = match request {
        AccountRequest::Show { user, currency } => {
            let found = account_service.show(user, currency).await;
            found.map(|accounts| accounts.iter().map(shown).collect()).map_err(|error| error.to_string())
        }
        AccountRequest::SetLimit(new_limit) => {
            let change = account_service.set_limit(new_limit).await.map_err(|error| error.to_string());
            change.map(|change| {
                format!("user {}, {}: limit {}\n", change.user, change.after.currency(), step(&change))
            })
        }
    };
    database.close().await;
    output
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
