//! From configuration to exit code: runtime, telemetry, signals, sockets.

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
    env::{EnvErrors, Mode, Reader},
    telemetry,
};

mod open_files;
mod sockets;

pub use open_files::raise_open_files;
pub use sockets::{BindError, BoundSocket, Sockets};

/// Exit code for a wrong configuration (`EX_USAGE` of sysexits).
pub const EXIT_CONFIGURATION: u8 = 64;
/// Exit code where something that the process needs could not be had: a port, a database (`EX_UNAVAILABLE`).
pub const EXIT_UNAVAILABLE: u8 = 69;

/// What a one-off command logs unless `RUST_LOG` says otherwise: its result is what it prints.
const FILTER_OF_COMMANDS: &str = "warn";

/// How long a service goes on with what is in flight once it was told to stop. Longer than any request
/// may take (the gateway's deadline is at most 30 s), so that nothing accepted is cut.
pub const DRAIN_MAX: Duration = Duration::from_secs(35);

/// What `serving` ends with, or `None` where it goes on for longer than [`DRAIN_MAX`] after `stop`.
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

/// What every process is configured with.
#[derive(Debug, Clone)]
pub struct Process {
    /// `ENV`
    pub mode: Mode,
    /// `BIND_ADDRESS` and `APPLICATION_PORT`
    pub service_address: SocketAddr,
    /// `ADMIN_ADDRESS`
    pub admin_address: SocketAddr,
    /// `RUST_LOG`: what is logged, in the syntax of tracing's `EnvFilter`
    pub log_filter: String,
}

impl Process {
    /// Reads `APPLICATION_PORT`, `ENV`, `BIND_ADDRESS`, `ADMIN_ADDRESS` and `RUST_LOG`.
    pub fn read(reader: &mut Reader<'_>, admin_port_default: u16) -> Option<Self> {
        let port: Option<u16> =
            reader.required("APPLICATION_PORT", "a port number from 0 to 65535, 0 for any free one");
        let mode: Option<Mode> = reader.required("ENV", "development or production");
        // Its default is open to everyone, and would be found fault with for what was meant to be closed.
        let bind: Option<Option<IpAddr>> = reader.optional_or_fault("BIND_ADDRESS", "an IP address");
        let admin = admin_address(reader, admin_port_default);
        let log_filter = reader.optional_with(
            "RUST_LOG",
            "a filter such as info or order=debug,info",
            crate::env::Secrecy::Public,
            |text| telemetry::is_filter(text).then(|| text.to_owned()),
        );
        let ((port, mode), bind) = port.zip(mode).zip(bind)?;
        let bind_default = match mode {
            Mode::Development => Ipv4Addr::LOCALHOST,
            Mode::Production => Ipv4Addr::UNSPECIFIED,
        };
        Some(Self {
            mode,
            service_address: SocketAddr::new(bind.unwrap_or(bind_default.into()), port),
            admin_address: admin?,
            log_filter: log_filter.unwrap_or_else(|| telemetry::FILTER_DEFAULT.to_owned()),
        })
    }

    /// The same on free ports of the loopback address, for tests and for services that share a process.
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

/// Reads `ADMIN_ADDRESS`; `None` where a fault was recorded.
pub(crate) fn admin_address(reader: &mut Reader<'_>, port_default: u16) -> Option<SocketAddr> {
    let accepted = "an IP address and port, 127.0.0.1:9000 for instance";
    let given = reader.optional_or_fault("ADMIN_ADDRESS", accepted)?;
    Some(given.unwrap_or(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port_default)))
}

/// Runs one service as this whole process: reads its configuration, installs telemetry, runs it until
/// SIGTERM or SIGINT, and turns how it ended into an exit code: 0, [`EXIT_CONFIGURATION`] with a line per
/// fault on stderr, or [`EXIT_UNAVAILABLE`] with one line.
pub fn run<C, F, E>(
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
        Err(errors) => return fail(EXIT_CONFIGURATION, &errors),
    };
    let Process { mode, log_filter, .. } = process(&config);
    telemetry::install(*mode, log_filter);
    raise_open_files();
    match block_on(async { service(config, stop_signal()?).await.map_err(|error| error.to_string()) }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => fail(EXIT_UNAVAILABLE, &line),
    }
}

/// What a command ends with: a text for stdout, and an exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// What is printed; a newline is added where it has none.
    pub text: String,
    /// The exit code.
    pub code: u8,
}

impl From<String> for CommandOutput {
    /// Success.
    fn from(text: String) -> Self {
        Self { text, code: 0 }
    }
}

/// Runs one command as this whole process, prints what it ends with on stdout, and turns how it ended into an
/// exit code, as [`run`] does. SIGTERM and SIGINT end it on the spot.
///
/// Logs are readable whatever `ENV` says, since somebody has called it by hand. `log_filter` is the value of
/// `RUST_LOG`; absent, or no filter, it means warnings and errors.
pub fn run_once<C, F, T, E>(
    config: Result<C, EnvErrors>,
    log_filter: Option<&str>,
    work: impl FnOnce(C) -> F,
) -> ExitCode
where
    F: Future<Output = Result<T, E>>,
    T: Into<CommandOutput>,
    E: Display,
{
    let config = match config {
        Ok(config) => config,
        Err(errors) => return fail(EXIT_CONFIGURATION, &errors),
    };
    let filter = log_filter.filter(|text| telemetry::is_filter(text)).unwrap_or(FILTER_OF_COMMANDS);
    telemetry::install(Mode::Development, filter);
    let ended = block_on(async { work(config).await.map(Into::into).map_err(|error| error.to_string()) });
    conclude(ended, &mut std::io::stdout().lock())
}

/// Shows `out` what a command ended with; stdout may be closed, or on a disk that is full.
fn conclude(ended: Result<CommandOutput, String>, out: &mut impl Write) -> ExitCode {
    let shown = ended.and_then(|CommandOutput { text, code }| {
        out.write_all(text.as_bytes())
            .and_then(
                |()| if text.is_empty() || text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") },
            )
            .and_then(|()| out.flush())
            .map(|()| code)
            .map_err(|error| format!("cannot print the result: {error}"))
    });
    match shown {
        Ok(code) => ExitCode::from(code),
        Err(line) => fail(EXIT_UNAVAILABLE, &line),
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start a runtime: {error}"))?;
    let ended = runtime.block_on(work);
    // Dropping it would wait for threads that ask a name server for a host nobody needs any more.
    runtime.shutdown_background();
    ended
}

/// A token that is cancelled by the first SIGTERM or SIGINT.
///
/// # Errors
///
/// Says so where the signals cannot be listened for.
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
        tracing::info!("stopping: finishing what is in flight");
        stop.cancel();
    });
    Ok(token)
}

/// Prints `why` on stderr, where whoever started the process looks, and returns `code`.
#[allow(
    clippy::print_stderr,
    reason = "telemetry may not be there yet, and start-up faults belong on stderr"
)]
pub fn fail(code: u8, why: &dyn Display) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::env::Vars;

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
        assert_eq!(conclude(Ok(text.to_owned().into()), &mut out), ExitCode::SUCCESS);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_command_prints_its_result_as_whole_lines() {
        assert_eq!(printed("one"), "one\n");
        assert_eq!(printed("one\ntwo\n"), "one\ntwo\n");
        assert_eq!(printed(""), "");
    }

    #[test]
    fn a_command_that_fails_or_cannot_print_is_unavailable() {
        let unavailable = ExitCode::from(EXIT_UNAVAILABLE);
        let mut out = Vec::new();
        assert_eq!(conclude(Err("no database".to_owned()), &mut out), unavailable);
        assert!(out.is_empty());
        assert_eq!(conclude(Ok("one".to_owned().into()), &mut Full), unavailable);
    }

    #[test]
    fn a_command_that_is_configured_wrongly_does_nothing() {
        let vars = Vars::default();
        let mut reader = Reader::new(&vars);
        let port: Option<u16> = reader.required("PORT", "a port number");
        let code = run_once(reader.finish(port), None, async |_| -> Result<String, String> {
            unreachable!("it has no configuration")
        });
        assert_eq!(code, ExitCode::from(EXIT_CONFIGURATION));
    }
}
