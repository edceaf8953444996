//! Logs: readable lines in development, JSON lines in production, with the ids of the trace.
//!
//! Log spans of [`crate::trace`] have the fields `trace_id`, `span_id` and `request_id`, and so has every
//! line within them, in JSON in the first of its `spans`. Only processes install a subscriber, not libraries.

use std::io::IsTerminal;

use tracing::Dispatch;
use tracing_subscriber::{
    EnvFilter,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::env::Mode;

/// The log filter without `RUST_LOG`.
pub const FILTER_DEFAULT: &str = "info";

/// Whether `text` is a valid filter for [`install`].
pub fn is_filter(text: &str) -> bool {
    EnvFilter::try_new(text).is_ok()
}

/// Installs the subscriber and the panic hook of the process. A second call keeps the first subscriber.
///
/// Logs go to stderr; stdout is for the output of commands.
pub fn install(mode: Mode, filter: &str) {
    let colours = std::io::stderr().is_terminal();
    // An Err means that a subscriber is installed already, by a test for instance.
    let _ = subscriber(mode, filter, colours, std::io::stderr).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        log_panic(&place, panic.payload_as_str().unwrap_or("(no text)"));
    }));
}

fn log_panic(place: &str, text: &str) {
    tracing::error!(place, text, "panic");
}

/// A subscriber that writes the lines that pass `filter` to `writer`; readable lines with `colours`.
pub fn subscriber<W>(mode: Mode, filter: &str, colours: bool, writer: W) -> Dispatch
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new(FILTER_DEFAULT));
    let registry = tracing_subscriber::registry().with(filter);
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
        let production = subscriber(Mode::Production, FILTER_DEFAULT, false, move || writer.clone());
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
