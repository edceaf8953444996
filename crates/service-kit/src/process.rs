//! A process from its configuration to its exit code: runtime, telemetry, signals, sockets.

use std::{
    fmt::Display,
    future::Future,
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    env::{EnvErrors, Kind, Mode, Reader, Variable, Vars, WhenAbsent},
    telemetry,
};

mod open_files;
mod sockets;

pub use open_files::raise_open_files_limit;
pub use sockets::{BindError, BoundSocket, Sockets};

/// Exit code for a wrong configuration or command line (`EX_USAGE` of sysexits).
pub const EXIT_CONFIGURATION: u8 = 64;
/// Exit code where a resource is unavailable: a port, a database (`EX_UNAVAILABLE` of sysexits).
pub const EXIT_UNAVAILABLE: u8 = 69;

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
    when_absent: WhenAbsent::Default(telemetry::FILTER_DEFAULT),
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
    pub log_filter: String,
}

impl Process {
    /// Reads [`VARIABLES`] and `admin_address`. `None` where a fault was recorded.
    pub fn read(reader: &mut Reader<'_>, admin_address: &Variable) -> Option<Self> {
        let port: Option<u16> = reader.value(&APPLICATION_PORT);
        let mode: Option<Mode> = reader.value(&ENV);
        // After a fault there is no default: production's, all addresses, would add a fault about TLS.
        let bind: Option<Option<IpAddr>> = reader.optional(&BIND_ADDRESS);
        let admin_address = reader.value(admin_address);
        let log_filter =
            reader.value_with(&RUST_LOG, |text| telemetry::is_filter(text).then(|| text.to_owned()));
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
        Self {
            mode,
            service_address: any,
            admin_address: any,
            log_filter: telemetry::FILTER_DEFAULT.to_owned(),
        }
    }
}

/// Runs one service as the whole process.
///
/// Reads `config` from `vars`, installs telemetry and runs the service until SIGTERM or SIGINT. Returns 0, or
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
    match block_on(async { service(config, stop_signal()?).await.map_err(|error| error.to_string()) }) {
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
/// SIGTERM and SIGINT end the command at once. Logs are readable in both modes, since an operator runs it.
/// Without a valid `RUST_LOG` it logs warnings and errors.
pub fn run_once<C, F, T, E>(vars: &Vars, config: Result<C, EnvErrors>, work: impl FnOnce(C) -> F) -> ExitCode
where
    F: Future<Output = Result<T, E>>,
    T: Into<CommandOutput>,
    E: Display,
{
    let config = match config {
        Ok(config) => config,
        Err(errors) => return fail_configuration(vars, &errors),
    };
    let filter = vars.get(&RUST_LOG).filter(|text| telemetry::is_filter(text)).unwrap_or(COMMAND_FILTER);
    telemetry::install(Mode::Development, filter);
    vars.log_unknown();
    let output = block_on(async { work(config).await.map(Into::into).map_err(|error| error.to_string()) });
    print(output, &mut std::io::stdout().lock())
}

/// Writes the output of a command to `out`. stdout may be closed, or a file on a full disk.
fn print(output: Result<CommandOutput, String>, out: &mut impl Write) -> ExitCode {
    let printed = output.and_then(|CommandOutput { text, code }| {
        out.write_all(text.as_bytes())
            .and_then(
                |()| if text.is_empty() || text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") },
            )
            .and_then(|()| out.flush())
            .map(|()| code)
            .map_err(|error| format!("cannot print the result: {error}"))
    });
    match printed {
        Ok(code) => ExitCode::from(code),
        Err(line) => fail(EXIT_UNAVAILABLE, &line),
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start a runtime: {error}"))?;
    let output = runtime.block_on(work);
    // Dropping the runtime would wait for threads that still resolve names.
    runtime.shutdown_background();
    output
}

/// A token that the first SIGTERM or SIGINT cancels.
///
/// # Errors
///
/// A line where no handler can be installed.
pub fn stop_signal() -> Result<CancellationToken, String> {
    let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
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

/// Prints `why` on stderr and returns `code`.
#[allow(
    clippy::print_stderr,
    reason = "telemetry may not be installed yet, and start-up faults belong on stderr"
)]
pub fn fail(code: u8, why: &dyn Display) -> ExitCode {
    eprintln!("{why}");
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
        assert_eq!(print(Ok(text.to_owned().into()), &mut out), ExitCode::SUCCESS);
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
        let mut out = Vec::new();
        assert_eq!(print(Err("no database".to_owned()), &mut out), unavailable);
        assert!(out.is_empty());
        assert_eq!(print(Ok("one".to_owned().into()), &mut Full), unavailable);
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
