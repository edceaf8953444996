//! The command line of `order-system`.

use std::{
    ffi::OsString,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{
    Options, Ports, System,
    audit::{self, Since},
};
use clap::{Args, Parser, Subcommand};
use service_kit::{
    CancellationToken, cli,
    env::{self, Declared, EnvErrors, Mode, Vars},
    process::{self, CommandOutput, EXIT_CONFIGURATION, EXIT_UNAVAILABLE, RUST_LOG},
    telemetry::{self, LogFilter},
    trace,
};

#[derive(Parser)]
#[command(
    name = "order-system",
    version = service_kit::version(),
    about = "Gateway, Order and Payment in one process, with embedded databases",
    after_long_help = env::help(VARIABLES)
)]
struct Cli {
    #[command(flatten)]
    all: RunAllArguments,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args)]
struct RunAllArguments {
    /// Directory of the database files
    #[arg(long, default_value = "./data")]
    data: PathBuf,
    /// Port of the gateway; its admin listener is 1000 above
    #[arg(long, default_value_t = Ports::CLI_DEFAULT.gateway)]
    gateway_port: u16,
    /// Port of the Order service; its admin listener is 6000 above
    #[arg(long, default_value_t = Ports::CLI_DEFAULT.order)]
    order_port: u16,
    /// Port of the Payment service; its admin listener is 6000 above
    #[arg(long, default_value_t = Ports::CLI_DEFAULT.payment)]
    payment_port: u16,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway alone, or one of its commands; see gateway --help
    #[command(disable_help_flag = true)]
    Gateway(ServiceArguments),
    /// Run the Order service alone, or one of its commands; see order --help
    #[command(disable_help_flag = true)]
    Order(ServiceArguments),
    /// Run the Payment service alone, or one of its commands; see payment --help
    #[command(disable_help_flag = true)]
    Payment(ServiceArguments),
    /// Compare Order's database with Payment's, read-only, also while the services run
    #[command(after_help = AUDIT_HELP)]
    Audit {
        /// Directory of the database files
        #[arg(long, default_value = "./data")]
        data: PathBuf,
        /// Compare only the orders and payments from this time on, and no accounts: a duration before now, or
        /// a time
        #[arg(long, value_name = "TIME", value_parser = Since::parse)]
        since: Option<Since>,
    },
    /// Print the OpenAPI document
    Openapi,
}

const AUDIT_HELP: &str = "\
Without variables, the databases are the files in --data. Otherwise ORDER_DB_DRIVER, ORDER_DATA_SOURCE_URL, \
PAYMENT_DB_DRIVER and PAYMENT_DATA_SOURCE_URL configure them, as DB_DRIVER and DATA_SOURCE_URL do for each \
service; the other variables of a database have the same prefixes.

Prints one line per disagreement: a PAID order without a charge, or with another amount; a charge whose \
order is not PAID; an account whose charged amount is not the sum of its charges. A PENDING order is no \
disagreement, since its outcome is open.

--since accepts a duration before now (90m, 24h, 7d), or a day or a time of UTC (2026-12-01, \
2026-12-01T06:00:00Z). The time of an order is that of its id, when the order was placed.

Shows the rows read so far on stderr every 5 s. The server ends each statement after 60 s.

Exit codes: 0; 1: there are disagreements; 64: an argument or a variable is wrong; 69: a database cannot be read.";
/// The exit code of an audit that finds disagreements.
const EXIT_DISAGREES: u8 = 1;

/// The arguments for the command line of one service.
#[derive(Args)]
struct ServiceArguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl ServiceArguments {
    /// The arguments after `program`, the name that the service shows in its help.
    fn after(self, program: &str) -> impl Iterator<Item = OsString> {
        std::iter::once(program.into()).chain(self.arguments)
    }
}

/// The variables that all three services receive from the environment. The process sets all others itself.
pub const VARIABLES: &Declared<'static> = &[
    &[
        &RUST_LOG,
        &gateway::config::REQUEST_TIMEOUT,
        &gateway::config::PUBLIC_URL,
        &order::config::PRICE_LIST,
        &payment::config::PAYMENT_CREDIT_LIMITS,
        &payment::config::PAYMENT_CREDIT_LIMIT,
    ],
    gateway::auth::config::VARIABLES,
    gateway::load_limits::config::VARIABLES,
    gateway::response_layers::cors::VARIABLES,
    trace::SHARED_VARIABLES,
];

/// Runs the command in the arguments of the process.
pub fn run() -> ExitCode {
    let Cli { all, command } = match cli::parse(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let vars = Vars::from_process();
    match command {
        None => run_all(all, &vars),
        Some(Command::Gateway(args)) => gateway::cli::run(args.after("order-system gateway"), &vars),
        Some(Command::Order(args)) => order::cli::run(args.after("order-system order"), &vars),
        Some(Command::Payment(args)) => payment::cli::run(args.after("order-system payment"), &vars),
        Some(Command::Audit { data, since }) => audit(&data, since, &vars),
        Some(Command::Openapi) => {
            print(&gateway::openapi::document_json());
            ExitCode::SUCCESS
        }
    }
}

fn audit(data: &Path, since: Option<Since>, vars: &Vars) -> ExitCode {
    process::run_once(vars, audited_databases(data, vars), async |(order, payment)| {
        let report = audit::audit(&order, &payment, since).await?;
        let code = if report.agrees() { 0 } else { EXIT_DISAGREES };
        anyhow::Ok(CommandOutput { text: report.to_string(), code })
    })
}

/// The databases that the variables configure, or the files in `data` if no such variable is set.
fn audited_databases(data: &Path, vars: &Vars) -> Result<(database::Config, database::Config), EnvErrors> {
    let sqlite_url = |service: &str| format!("sqlite://{}", data.join(format!("{service}.db")).display());
    let files = [
        ("ORDER_DB_DRIVER", "sqlite".to_owned()),
        ("ORDER_DATA_SOURCE_URL", sqlite_url("order")),
        ("PAYMENT_DB_DRIVER", "sqlite".to_owned()),
        ("PAYMENT_DATA_SOURCE_URL", sqlite_url("payment")),
    ];
    let is_configured =
        ["ORDER_", "PAYMENT_"].iter().any(|prefix| database::Config::is_set_with_prefix(vars, prefix));
    let vars = if is_configured { vars } else { &files.into_iter().collect() };
    let order = database::Config::read_prefixed(vars, "ORDER_");
    let payment = database::Config::read_prefixed(vars, "PAYMENT_");
    match (order, payment) {
        (Ok(order), Ok(payment)) => Ok((order, payment)),
        (order, payment) => Err(EnvErrors::all(order.err().into_iter().chain(payment.err()))),
    }
}

fn run_all(all: RunAllArguments, vars: &Vars) -> ExitCode {
    let service_vars = VARIABLES.iter().copied().flatten().flat_map(|variable| vars.pairs(variable));
    let options = Options {
        data: Some(all.data),
        ports: Ports { gateway: all.gateway_port, order: all.order_port, payment: all.payment_port },
        databases: None,
        vars: service_vars.collect(),
    };
    let filter = match process::log_filter(vars, LogFilter::DEFAULT) {
        Ok(filter) => filter,
        Err(errors) => return process::fail(EXIT_CONFIGURATION, &errors),
    };
    telemetry::install(Mode::Development, &filter);
    vars.log_unknown();
    process::raise_open_files_limit();
    match process::block_on(serve_all(options)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => process::fail(exit_code(&error), &one_line(&error)),
        Err(error) => process::fail(EXIT_UNAVAILABLE, &error),
    }
}

async fn serve_all(options: Options) -> anyhow::Result<()> {
    let stop: CancellationToken = process::stop_signal().map_err(anyhow::Error::msg)?;
    let requires_tokens = options.vars.iter().any(|(name, _)| name == "AUTH_ISSUER");
    let mut system = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(()),
        started = System::start_with(options) => started?,
    };
    print_urls(&system.gateway_url(), requires_tokens);
    tokio::select! {
        biased;
        () = stop.cancelled() => system.stop().await,
        error = system.failed() => Err(error),
    }
}

/// The error and its causes, without causes that the line contains already.
fn one_line(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |line, cause| match line {
        line if line.contains(&cause) => line,
        line if line.is_empty() => cause,
        line => format!("{line}: {cause}"),
    })
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<service_kit::env::EnvErrors>() { EXIT_CONFIGURATION } else { EXIT_UNAVAILABLE }
}

fn print_urls(url: &str, requires_tokens: bool) {
    let token = if requires_tokens { " -H \"Authorization: Bearer $TOKEN\"" } else { "" };
    print(&format!(
        r#"
  Orders    {url}/orders
  Try it    {url}/docs
  Stop      Ctrl-C

  curl -i {url}/orders -H 'Content-Type: application/json'{token} \
    -d '{{"user_id":123,"order_items":[{{"product_code":"sku1","unit_price":0.12,"quantity":1}}]}}'
"#
    ));
}

/// Prints on stdout; logs go to stderr.
fn print(text: &str) {
    // Not an error: the reader may have closed the pipe.
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n'));
}
