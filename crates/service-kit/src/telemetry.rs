//! Logs: readable lines in development, JSON lines in production, each with the ids of its trace.
//!
//! Spans opened by [`crate::trace`] carry `trace_id`, `span_id` and `request_id`; every line logged inside
//! one carries them too, in JSON as the first of its `spans`. Only `main` functions and `stack` install a
//! subscriber.

use std::io::IsTerminal;

use tracing::Dispatch;
use tracing_subscriber::{
    EnvFilter,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::env::Mode;

/// What is logged unless `RUST_LOG` says otherwise.
pub const FILTER_DEFAULT: &str = "info";

/// Whether `text` is a filter that [`install`] takes.
pub fn is_filter(text: &str) -> bool {
    EnvFilter::try_new(text).is_ok()
}

/// Installs the process's subscriber; a second call changes nothing.
///
/// Logs go to stderr, so that stdout stays for what a program prints on purpose.
pub fn install(mode: Mode, filter: &str) {
    let colours = std::io::stderr().is_terminal();
    // An Err means that a subscriber is there already, a test's for instance: that one stays.
    let _ = subscriber(mode, filter, colours, std::io::stderr).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        log_panic(&place, panic.payload_as_str().unwrap_or("(no text)"));
    }));
}

fn log_panic(place: &str, text: &str) {
    tracing::error!(place, text, "panic");
}

/// A subscriber that writes what `filter` lets through to what `writer` makes; readable lines in `colours`.
pub fn subscriber<W>(mode: Mode, filter: &str, colours: bool, writer: W) -> Dispatch
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new(FILTER_DEFAULT));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(writer);
    match mode {
        Mode::Development => registry.with(lines.with_ansi(colours)).into(),
        // The current span alone would hide the request's from a line in a span within it.
        Mode::Production => {
            let json = lines.json().flatten_event(true).with_current_span(false).with_span_list(true);
            registry.with(json).into()
        }
    }
}

/// An error with everything that caused it, for a log line.
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
    fn a_panic_is_one_line_in_which_no_member_stands_twice() {
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
