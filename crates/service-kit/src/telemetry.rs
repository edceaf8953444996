//! Logs: readable lines in development, JSON lines in production, with the ids of the trace.
//!
//! Log spans of [`crate::trace`] have the fields `trace_id`, `span_id` and `request_id`, and so has every
//! line within them, in JSON in the first of its `spans`. Only processes install a subscriber, not libraries.

use std::{
    io::{self, IsTerminal, Write},
    sync::{LazyLock, OnceLock},
    thread,
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use tracing::Dispatch;
use tracing_subscriber::{
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::env::Mode;

mod log_filter;
mod log_limit;
mod log_writer;

pub use log_filter::{InvalidLogFilter, LogFilter};
pub(crate) use log_limit::LogLimit;

use log_writer::LogWriter;

/// How long the end of a process waits for the reader of its log.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// The writer to stderr of [`install`].
static LOG: OnceLock<LogWriter> = OnceLock::new();
static DROPPED_LINES: LazyLock<Counter> = LazyLock::new(Counter::default);

/// The number of log lines of the process that were dropped, since the reader of its log did not keep up.
pub(crate) fn dropped_lines() -> Counter {
    DROPPED_LINES.clone()
}

/// Installs the subscriber and the panic hook of the process. A second call keeps the first subscriber.
///
/// Logs go to stderr; stdout is for the output of commands. A process that ends calls [`flush`] first.
pub fn install(mode: Mode, filter: &LogFilter) {
    let colours = io::stderr().is_terminal();
    let subscriber = match LogWriter::start(io::stderr(), dropped_lines()) {
        Ok(writer) => subscriber(mode, filter, colours, LOG.get_or_init(|| writer).clone()),
        Err(_) => subscriber(mode, filter, colours, io::stderr),
    };
    // An Err means that a subscriber is installed already, by a test for instance.
    let _ = subscriber.try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        log_panic(&place, panic.payload_as_str().unwrap_or("(no text)"));
        // A panic of the main thread ends the process; the runtime survives panics of tasks.
        if thread::current().name() == Some("main") {
            flush();
        }
    }));
}

/// Waits until the log is written, for at most a second.
pub fn flush() {
    if let Some(log) = LOG.get() {
        log.flush(FLUSH_MAX);
    }
}

/// Writes `line` to stderr as it is, after the queued log lines. Ignores errors: stderr may be closed.
pub fn write_line(line: &str) {
    let line = format!("{line}\n");
    let _ = match LOG.get() {
        Some(mut log) => log.write_all(line.as_bytes()),
        None => io::stderr().write_all(line.as_bytes()),
    };
    flush();
}

fn log_panic(place: &str, text: &str) {
    tracing::error!(place, text, "panic");
}

/// A subscriber that writes the lines that pass `filter` to `writer`; readable lines with `colours`.
pub fn subscriber<W>(mode: Mode, filter: &LogFilter, colours: bool, writer: W) -> Dispatch
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let registry = tracing_subscriber::registry().with(filter.to_env_filter());
    let lines = fmt::layer().with_writer(writer);
    match mode {
        Mode::Development => registry.with(lines.with_ansi(colours)).into(),
        // With the current span alone, a line in an inner span would lack the ids of the request.
        Mode::Production => {
            let json = lines.json().flatten_event(true).with_current_span(false).with_span_list(true);
            registry.with(json).into()
        }
    }
}

/// An error with all its sources, for a log line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_one_line_without_duplicate_members() {
        let log = Log::default();
        let writer = log.clone();
        let production = subscriber(Mode::Production, &LogFilter::default(), false, move || writer.clone());
        tracing::dispatcher::with_default(&production, || log_panic("src/lib.rs:1:1", "index out of bounds"));
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert_eq!(text.matches("\"message\":").count(), 1, "{text}");
        assert!(
            text.contains(r#""place":"src/lib.rs:1:1""#) && text.contains("index out of bounds"),
            "{text}"
        );
    }
}
