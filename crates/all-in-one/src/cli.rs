//! The command line of `order-system`.

use std::{
    ffi::OsString,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{Options, Ports, System, audit};
use clap::{Args, Parser, Subcommand};
use service_kit::{
    CancellationToken,
    env::{EnvErrors, Mode, Vars},
    process::{self, CommandOutput, EXIT_UNAVAILABLE},
    telemetry,
};

#[derive(Parser)]
#[command(
    name = "order-system",
    version = service_kit::version(),
    about = "Gateway, Order and Payment in one process, on embedded databases"
)]
struct Cli {
    #[command(flatten)]
    all: All,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args)]
struct All {
    /// Where the database files are kept
    #[arg(long, default_value = "./data")]
    data: PathBuf,
    /// Port of the gateway; its admin listener is 1000 above
    #[arg(long, default_value_t = Ports::WELL_KNOWN.gateway)]
    gateway_port: u16,
    /// Port of Order; its admin listener is 6000 above
    #[arg(long, default_value_t = Ports::WELL_KNOWN.order)]
    order_port: u16,
    /// Port of Payment; its admin listener is 6000 above
    #[arg(long, default_value_t = Ports::WELL_KNOWN.payment)]
    payment_port: u16,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway alone, configured by the environment, or one of its commands
    #[command(disable_help_flag = true)]
    Gateway(Passed),
    /// Run Order alone, configured by the environment, or one of its commands
    #[command(disable_help_flag = true)]
    Order(Passed),
    /// Run Payment alone, configured by the environment, or one of its commands
    #[command(disable_help_flag = true)]
    Payment(Passed),
    /// Hold Order's books against Payment's, while the services run or not; changes nothing
    #[command(after_help = AUDIT_HELP)]
    Audit {
        /// Where the database files are
        #[arg(long, default_value = "./data")]
        data: PathBuf,
    },
    /// Print the OpenAPI document
    Openapi,
}

const AUDIT_HELP: &str = "\
The databases are those in --data, or those that ORDER_DB_DRIVER, ORDER_DATA_SOURCE_URL, PAYMENT_DB_DRIVER and \
PAYMENT_DATA_SOURCE_URL name as DB_DRIVER and DATA_SOURCE_URL do for each service.

Prints what disagrees, a line each: a PAID order that is not charged, or otherwise; a charge whose order is not PAID; \
an account whose charges do not add up. What is PENDING is not known yet, and no disagreement.

Exit codes: 0; 1: something disagrees; 64: a variable is wrong; 69: a database cannot be read.";
/// What the exit code is where the books disagree.
const EXIT_DISAGREES: u8 = 1;

/// What a service makes of its own command line.
#[derive(Args)]
struct Passed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl Passed {
    /// With the name of the program in front.
    fn after(self, name: &str) -> impl Iterator<Item = OsString> {
        std::iter::once(name.into()).chain(self.arguments)
    }
}

/// What of the environment the system passes on, beside who may order and traces; the rest it sets itself.
const PASSED_ON: [&str; 13] = [
    "PAYMENT_CREDIT_LIMIT",
    "PRICE_LIST",
    "REQUEST_TIMEOUT_MS",
    "PUBLIC_URL",
    "CORS_ALLOWED_ORIGINS",
    "CORS_ALLOW_CREDENTIALS",
    "RUST_LOG",
    "RATE_LIMIT_PER_ADDRESS",
    "RATE_LIMIT_PER_SUBJECT",
    "TRUSTED_PROXIES",
    "CLIENT_ADDRESS_HEADER",
    "REQUESTS_IN_FLIGHT_MAX",
    "CONNECTIONS_PER_ADDRESS_MAX",
];

/// Runs the command that the process's own arguments name.
pub fn run() -> ExitCode {
    let Cli { all, command } = Cli::parse();
    let vars = Vars::from_process();
    match command {
        None => run_all(all, &vars),
        Some(Command::Gateway(passed)) => gateway::cli::run(passed.after("order-system gateway"), &vars),
        Some(Command::Order(passed)) => order::cli::run(passed.after("order-system order"), &vars),
        Some(Command::Payment(passed)) => payment::cli::run(passed.after("order-system payment"), &vars),
        Some(Command::Audit { data }) => audit(&data, &vars),
        Some(Command::Openapi) => {
            say(&gateway::openapi::document_json());
            ExitCode::SUCCESS
        }
    }
}

fn audit(data: &Path, vars: &Vars) -> ExitCode {
    process::run_once(books(data, vars), vars.get("RUST_LOG"), async |(order, payment)| {
        let report = audit::audit(&order, &payment).await?;
        let code = if report.agrees() { 0 } else { EXIT_DISAGREES };
        anyhow::Ok(CommandOutput { text: report.to_string(), code })
    })
}

/// The databases of the variables, or the files in `data` where none of them is set.
fn books(data: &Path, vars: &Vars) -> Result<(database::Config, database::Config), EnvErrors> {
    const NAMES: [&str; 4] =
        ["ORDER_DB_DRIVER", "ORDER_DATA_SOURCE_URL", "PAYMENT_DB_DRIVER", "PAYMENT_DATA_SOURCE_URL"];
    let in_data = |service: &str| format!("sqlite://{}", data.join(format!("{service}.db")).display());
    let files = [
        (NAMES[0], "sqlite".to_owned()),
        (NAMES[1], in_data("order")),
        (NAMES[2], "sqlite".to_owned()),
        (NAMES[3], in_data("payment")),
    ];
    let vars =
        if NAMES.iter().all(|name| vars.get(name).is_none()) { &files.into_iter().collect() } else { vars };
    let order = database::Config::read_prefixed(vars, "ORDER_");
    let payment = database::Config::read_prefixed(vars, "PAYMENT_");
    match (order, payment) {
        (Ok(order), Ok(payment)) => Ok((order, payment)),
        (order, payment) => Err(EnvErrors::all(order.err().into_iter().chain(payment.err()))),
    }
}

fn run_all(all: All, vars: &Vars) -> ExitCode {
    let passed_on = PASSED_ON
        .iter()
        .chain(&gateway::auth::config::VARIABLES)
        .chain(&service_kit::trace::VARIABLES)
        .filter_map(|name| Some(((*name).to_owned(), vars.get(name)?.to_owned())));
    let options = Options {
        data: Some(all.data),
        ports: Ports { gateway: all.gateway_port, order: all.order_port, payment: all.payment_port },
        databases: None,
        vars: passed_on.collect(),
    };
    let filter = vars.get("RUST_LOG").unwrap_or(telemetry::FILTER_DEFAULT);
    telemetry::install(Mode::Development, filter);
    process::raise_open_files();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return process::fail(EXIT_UNAVAILABLE, &error),
    };
    match runtime.block_on(serve_all(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => process::fail(exit_code(&error), &one_line(&error)),
    }
}

async fn serve_all(options: Options) -> anyhow::Result<()> {
    let stop: CancellationToken = process::stop_signal().map_err(anyhow::Error::msg)?;
    let wants_tokens = options.vars.iter().any(|(name, _)| name == "AUTH_ISSUER");
    let mut system = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(()),
        started = System::start_with(options) => started?,
    };
    welcome(&system.gateway_url(), wants_tokens);
    tokio::select! {
        biased;
        () = stop.cancelled() => system.stop().await,
        error = system.failed() => Err(error),
    }
}

/// The error and its causes, but for those that it has told already.
fn one_line(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told {
        told if told.contains(&cause) => told,
        told if told.is_empty() => cause,
        told => format!("{told}: {cause}"),
    })
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<service_kit::env::EnvErrors>() { process::EXIT_CONFIGURATION } else { EXIT_UNAVAILABLE }
}

fn welcome(url: &str, wants_tokens: bool) {
    let token = if wants_tokens { " -H \"Authorization: Bearer $TOKEN\"" } else { "" };
    say(&format!(
        r#"
  Orders    {url}/orders
  Try it    {url}/docs
  Stop      Ctrl-C

  curl -i {url}/orders -H 'Content-Type: application/json'{token} \
    -d '{{"user_id":123,"order_items":[{{"product_code":"sku1","unit_price":0.12,"quantity":1}}]}}'
"#
    ));
}

/// Shows on stdout what the program is asked to show; logs go to stderr.
fn say(text: &str) {
    // A reader that has seen enough is no reason to end.
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n'));
}
