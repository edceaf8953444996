//! From configuration to exit code: runtime, telemetry, signals, sockets.

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{
    env::{EnvErrors, Mode, Reader},
    telemetry,
};

/// Exit code for a wrong configuration (`EX_USAGE` of sysexits).
pub const EXIT_CONFIGURATION: u8 = 64;
/// Exit code where something that the process needs could not be had: a port, a database (`EX_UNAVAILABLE`).
pub const EXIT_UNAVAILABLE: u8 = 69;

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
        let bind: Option<IpAddr> = reader.optional("BIND_ADDRESS", "an IP address");
        let admin: Option<SocketAddr> =
            reader.optional("ADMIN_ADDRESS", "an IP address and port, 127.0.0.1:9000 for instance");
        let log_filter = reader.optional_with(
            "RUST_LOG",
            "a filter such as info or order=debug,info",
            crate::env::Secrecy::Public,
            |text| telemetry::is_filter(text).then(|| text.to_owned()),
        );
        let (port, mode) = port.zip(mode)?;
        let bind_default = match mode {
            Mode::Development => Ipv4Addr::LOCALHOST,
            Mode::Production => Ipv4Addr::UNSPECIFIED,
        };
        Some(Self {
            mode,
            service_address: SocketAddr::new(bind.unwrap_or(bind_default.into()), port),
            admin_address: admin.unwrap_or(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), admin_port_default)),
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

/// The sockets of one service, bound by its caller, who thereby knows its addresses.
#[derive(Debug)]
pub struct Sockets {
    /// Where the service itself is served.
    pub service: TcpListener,
    /// Where operators look.
    pub admin: TcpListener,
}

/// A socket that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    address: SocketAddr,
    source: std::io::Error,
}

impl Sockets {
    /// Binds both sockets, or neither.
    ///
    /// # Errors
    ///
    /// [`BindError`] names the address that is taken or not ours.
    pub async fn bind(process: &Process) -> Result<Self, BindError> {
        let bind =
            async |address| TcpListener::bind(address).await.map_err(|source| BindError { address, source });
        Ok(Self { service: bind(process.service_address).await?, admin: bind(process.admin_address).await? })
    }
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
    E: std::fmt::Display,
{
    let config = match config {
        Ok(config) => config,
        Err(errors) => return fail(EXIT_CONFIGURATION, &errors),
    };
    let Process { mode, log_filter, .. } = process(&config);
    telemetry::install(*mode, log_filter);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(EXIT_UNAVAILABLE, &error),
    };
    let ended =
        runtime.block_on(async { service(config, stop_signal()?).await.map_err(|error| error.to_string()) });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => fail(EXIT_UNAVAILABLE, &line),
    }
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
pub fn fail(code: u8, why: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(code)
}
