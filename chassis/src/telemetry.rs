//! Logs: readable lines in development, JSON lines in production, each with the ids of its trace.
//!
//! Spans opened by [`crate::trace`] carry `trace_id`, `span_id` and `request_id`; every line logged inside
//! one carries them too. Only `main` functions and `stack` install a subscriber.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

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
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new(FILTER_DEFAULT));
    let registry = tracing_subscriber::registry().with(filter);
    // An Err means that a subscriber is there already, a test's for instance: that one stays.
    let _ = match mode {
        Mode::Development => {
            let colours = std::io::stderr().is_terminal();
            registry.with(fmt::layer().with_ansi(colours).with_writer(std::io::stderr)).try_init()
        }
        Mode::Production => registry
            .with(fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(std::io::stderr))
            .try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, message = panic.payload_as_str().unwrap_or("(no text)"), "panic");
    }));
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
