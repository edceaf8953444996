//! A process from its configuration to its exit code: runtime, telemetry, signals, sockets.

use std::{
    fmt::Display,
    future::Future,
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    env::{EnvErrors, Kind, Mode, Reader, Variable, Vars, WhenAbsent},
    telemetry::{self, LogFilter},
};

mod open_files;
mod signals;
mod sockets;

pub use open_files::raise_open_files_limit;
pub use sockets::{BindError, BoundSocket, Sockets};

use signals::Signals;

/// Exit code for a wrong configuration or command line (`EX_USAGE` of sysexits).
pub const EXIT_CONFIGURATION: u8 = 64;
/// Exit code where a resource is unavailable: a port, a database (`EX_UNAVAILABLE` of sysexits).
pub const EXIT_UNAVAILABLE: u8 = 69;
/// A command that a signal ends has this exit code plus the number of the signal, as in POSIX shells.
const EXIT_SIGNAL: u8 = 128;

/// The log filter of one-off commands: stderr holds warnings and errors, stdout the result.
const COMMAND_FILTER: &str = "warn";

/// The time between the stop signal and the end of a service that still has work in flight. It exceeds the
/// longest request (the gateway's deadline is at most 30 s), so that no accepted request is cut.
pub const DRAIN_MAX: Duration = Duration::from_secs(35);

/// The output of `serving`, or `None` where it still runs [`DRAIN_MAX`] after `stop`.
pub async fn within_drain<F: Future>(serving: F, stop: &CancellationToken) -> Option<F::Output> {
    let bound = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN_MAX).await;
    };
    tokio::select! {
        biased;
        ended = serving => Some(ended),
        () = bound => None,
    }
}

/// The port of the service.
pub const APPLICATION_PORT: Variable = Variable {
    name: "APPLICATION_PORT",
    kind: Kind::Text("a port number from 0 to 65535, 0 for any free one"),
    when_absent: WhenAbsent::Required,
    meaning: "Port of the service.",
};
/// The [`Mode`].
pub const ENV: Variable = Variable {
    name: "ENV",
    kind: Kind::Text("development or production"),
    when_absent: WhenAbsent::Required,
    meaning: "Development turns on gRPC reflection and readable logs; production logs JSON lines and \
              requires authentication, TLS and durable databases unless they are opted out of.",
};
/// The address of the service.
pub const BIND_ADDRESS: Variable = Variable {
    name: "BIND_ADDRESS",
    kind: Kind::Text("an IP address"),
    when_absent: WhenAbsent::Means("127.0.0.1 in development, 0.0.0.0 in production"),
    meaning: "Address that the service listens on.",
};
/// The log filter.
pub const RUST_LOG: Variable = Variable {
    name: "RUST_LOG",
    kind: Kind::Text("a filter such as info or order=debug,info"),
    when_absent: WhenAbsent::Default(LogFilter::DEFAULT),
    meaning: "Log filter, in the syntax of tracing's EnvFilter.",
};

/// The address of the admin listener; the default differs by service.
pub const fn admin_address(default: &'static str) -> Variable {
    Variable {
        name: "ADMIN_ADDRESS",
        kind: Kind::Text("an IP address and port, 127.0.0.1:9000 for instance"),
        when_absent: WhenAbsent::Default(default),
        meaning: "Address of the admin listener: /livez, /readyz and /metrics.",
    }
}

/// The variables of every process, beside its [`admin_address`].
pub const VARIABLES: &[&Variable] = &[&APPLICATION_PORT, &ENV, &BIND_ADDRESS, &RUST_LOG];

/// The configuration of every process.
#[derive(Debug, Clone)]
pub struct Process {
    /// `ENV`
    pub mode: Mode,
    /// `BIND_ADDRESS` and `APPLICATION_PORT`
    pub service_address: SocketAddr,
    /// `ADMIN_ADDRESS`
    pub admin_address: SocketAddr,
    /// `RUST_LOG`
    pub log_filter: LogFilter,
}

impl Process {
    /// Reads [`VARIABLES`] and `admin_address`. `None` where a fault was recorded.
    pub fn read(reader: &mut Reader<'_>, admin_address: &Variable) -> Option<Self> {
        let port: Option<u16> = reader.value(&APPLICATION_PORT);
        let mode: Option<Mode> = reader.value(&ENV);
        // After a fault there is no default: production's, all addresses, would add a fault about TLS.
        let bind: Option<Option<IpAddr>> = reader.optional(&BIND_ADDRESS);
        let admin_address = reader.value(admin_address);
        let log_filter = reader.value_explained(&RUST_LOG);
        let ((port, mode), bind) = port.zip(mode).zip(bind)?;
        let bind_default = match mode {
            Mode::Development => Ipv4Addr::LOCALHOST,
            Mode::Production => Ipv4Addr::UNSPECIFIED,
        };
        Some(Self {
            mode,
            service_address: SocketAddr::new(bind.unwrap_or(bind_default.into()), port),
            admin_address: admin_address?,
            log_filter: log_filter?,
        })
    }

    /// A configuration with free ports of the loopback address, for tests.
    pub fn on_loopback(mode: Mode) -> Self {
        let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        Self { mode, service_address: any, admin_address: any, log_filter: LogFilter::default() }
    }
}

/// Runs one service as the whole process.
///
/// Reads `config` from `vars`, installs telemetry and runs the service until [`stop_signal`]. Returns 0, or
/// [`EXIT_CONFIGURATION`] with a line per fault on stderr, or [`EXIT_UNAVAILABLE`] with one line on stderr.
pub fn run<C, F, E>(
    vars: &Vars,
    config: Result<C, EnvErrors>,
    process: impl FnOnce(&C) -> &Process,
    service: impl FnOnce(C, CancellationToken) -> F,
) -> ExitCode
where
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let config = match config {
        Ok(config) => config,
        Err(errors) => return fail_configuration(vars, &errors),
    };
    let Process { mode, log_filter, .. } = process(&config);
    telemetry::install(*mode, log_filter);
    vars.log_unknown();
    raise_open_files_limit();
    let serving = async { service(config, stop_signal()?).await.map_err(|error| error.to_string()) };
    match block_on(serving).map_err(|error| error.to_string()).flatten() {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => fail(EXIT_UNAVAILABLE, &line),
    }
}

/// The result of a one-off command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// The text for stdout; a newline is added where it does not end with one.
    pub text: String,
    /// The exit code.
    pub code: u8,
}

impl From<String> for CommandOutput {
    /// Exit code 0.
    fn from(text: String) -> Self {
        Self { text, code: 0 }
    }
}

/// Runs a one-off command as the whole process and prints its output on stdout. Returns the exit code of the
/// output, or as [`run`] does.
///
/// SIGTERM, SIGINT and SIGHUP end the command at once, with exit code 128 plus the number of the signal. Logs
/// are readable in both modes, since an operator runs it. Without `RUST_LOG` it logs warnings and errors.
pub fn run_once<C, F, T, E>(vars: &Vars, config: Result<C, EnvErrors>, work: impl FnOnce(C) -> F) -> ExitCode
where
    F: Future<Output = Result<T, E>>,
    T: Into<CommandOutput>,
    E: Display,
{
    let (config, filter) = match (config, log_filter(vars, COMMAND_FILTER)) {
        (Ok(config), Ok(filter)) => (config, filter),
        (config, filter) => {
            let errors = EnvErrors::all(config.err().into_iter().chain(filter.err()));
            return fail_configuration(vars, &errors);
        }
    };
    telemetry::install(Mode::Development, &filter);
    vars.log_unknown();
    let command = async {
        let mut signals = Signals::listen()?;
        tokio::select! {
            biased;
            signal = signals.recv() => Ok(CommandOutput { text: String::new(), code: EXIT_SIGNAL + signal }),
            output = work(config) => output.map(Into::into).map_err(|error| error.to_string()),
        }
    };
    match block_on(command).map_err(|error| error.to_string()).flatten() {
        Ok(output) => print(&output, &mut std::io::stdout().lock()),
        Err(line) => fail(EXIT_UNAVAILABLE, &line),
    }
}

/// Reads `RUST_LOG`; `default` where it is absent.
///
/// # Errors
///
/// The variable is invalid.
pub fn log_filter(vars: &Vars, default: &'static str) -> Result<LogFilter, EnvErrors> {
    let variable = Variable { when_absent: WhenAbsent::Default(default), ..RUST_LOG };
    let declared: &[&[&Variable]] = &[&[&variable]];
    let mut reader = Reader::new(vars, declared);
    let filter = reader.value_explained(&variable);
    reader.finish(filter)
}

/// Writes the output of a command to `out`. stdout may be closed, or a file on a full disk.
fn print(output: &CommandOutput, out: &mut impl Write) -> ExitCode {
    let CommandOutput { text, code } = output;
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    match write!(out, "{text}{newline}").and_then(|()| out.flush()) {
        Ok(()) => ExitCode::from(*code),
        Err(error) => fail(EXIT_UNAVAILABLE, &format_args!("cannot print the result: {error}")),
    }
}

/// Runs `work` on a new runtime, then writes the rest of the log.
///
/// # Errors
///
/// The runtime cannot be started.
pub fn block_on<F: Future>(work: F) -> Result<F::Output, RuntimeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(RuntimeError)?;
    let output = runtime.block_on(work);
    // Dropping the runtime would wait for threads that still resolve names.
    runtime.shutdown_background();
    telemetry::flush();
    Ok(output)
}

/// The operating system starts no threads for the runtime.
#[derive(Debug, thiserror::Error)]
#[error("cannot start a runtime: {0}")]
pub struct RuntimeError(#[source] std::io::Error);

/// A token that the first SIGTERM, SIGINT or SIGHUP cancels.
///
/// # Errors
///
/// A line where no handler can be installed.
pub fn stop_signal() -> Result<CancellationToken, String> {
    let mut signals = Signals::listen()?;
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        signals.recv().await;
        tracing::info!("shutting down: finishing work in flight");
        stop.cancel();
    });
    Ok(token)
}

/// Prints the faults of a configuration, and the unknown variables that may explain them. Telemetry is not
/// installed yet.
pub(crate) fn fail_configuration(vars: &Vars, errors: &EnvErrors) -> ExitCode {
    let unknown = vars.unknown().into_iter().map(|variable| format!("\n{variable}."));
    fail(EXIT_CONFIGURATION, &unknown.fold(errors.to_string(), |text, line| text + &line))
}

/// Prints `why` on stderr, which may be closed or full, and returns `code`.
pub fn fail(code: u8, why: &dyn Display) -> ExitCode {
    telemetry::write_line(&why.to_string());
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// A file on a full disk.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printed(text: &str) -> String {
        let mut out = Vec::new();
        assert_eq!(print(&text.to_owned().into(), &mut out), ExitCode::SUCCESS);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_command_prints_whole_lines() {
        assert_eq!(printed("one"), "one\n");
        assert_eq!(printed("one\ntwo\n"), "one\ntwo\n");
        assert_eq!(printed(""), "");
    }

    #[test]
    fn a_command_that_fails_or_cannot_print_exits_with_69() {
        let unavailable = ExitCode::from(EXIT_UNAVAILABLE);
        let code = run_once(&Vars::default(), Ok(()), async |()| Err::<String, _>("no database"));
        assert_eq!(code, unavailable);
        assert_eq!(print(&"one".to_owned().into(), &mut Full), unavailable);
    }

    #[test]
    fn a_command_with_a_wrong_configuration_does_no_work() {
        let vars = Vars::default();
        let mut reader = Reader::new(&vars, &[VARIABLES]);
        let port: Option<u16> = reader.value(&APPLICATION_PORT);
        let code = run_once(&vars, reader.finish(port), async |_| -> Result<String, String> {
            unreachable!("it has no configuration")
        });
        assert_eq!(code, ExitCode::from(EXIT_CONFIGURATION));
    }
}
