//! The cause is logged once, with its source chain.

use std::{
    cell::RefCell,
    fmt::{Debug, Write},
    sync::{Arc, Once},
};

use tonic::{Code, Status};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use super::{CODES, RequestFacts, any, codes::expected, malformed, status};
use crate::problem::from_status;

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Collects the log lines of each thread, each starting with its level.
struct Lines;

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("gateway::problem")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LINES.with_borrow_mut(|lines| lines.push(line.0));
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

/// The lines that [`from_status`] logs.
fn logged(status: &Status) -> Vec<String> {
    static INSTALLED: Once = Once::new();
    // Global, since the interest of a call site is cached when any thread reaches it first.
    INSTALLED.call_once(|| tracing::subscriber::set_global_default(Lines).unwrap());
    LINES.with_borrow_mut(Vec::clear);
    let _ = from_status(status, &RequestFacts::default());
    LINES.with_borrow(Clone::clone)
}

#[test]
fn a_private_cause_is_logged_once_with_its_source_chain() {
    let mut lost = Status::unknown("transport error");
    let inner = std::io::Error::other(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
    lost.set_source(Arc::new(std::io::Error::other(inner)));
    let lines = logged(&lost);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("WARN") && lines[0].contains("transport error"), "{lines:?}");
    assert!(lines[0].contains("broken pipe") && lines[0].contains("ConnectionLost"), "{lines:?}");
}

#[test]
fn a_masked_message_is_a_warning_and_a_shown_one_is_not() {
    for code in CODES {
        let level = if expected(code).3 { "DEBUG" } else { "WARN" };
        let lines = logged(&status(code, "disk full\nWARN forged", &[]));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with(level) && lines[0].contains("disk full\\nWARN forged"), "{lines:?}");
        assert!(lines[0].contains("a call to a backend failed"), "{lines:?}");
    }
}

#[test]
fn dropped_details_are_logged() {
    let debug =
        tonic_types::pb::DebugInfo { stack_entries: vec!["main.rs:7".to_owned()], detail: "x".to_owned() };
    let details =
        [any("google.rpc.DebugInfo", &debug), any("shop.Secret", &debug), malformed("google.rpc.Help")];
    let lines = logged(&status(Code::NotFound, "", &details));
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[1].contains("debug_info") && lines[1].contains("main.rs:7"), "{lines:?}");
    assert!(lines[2].contains("unknown_type") && lines[2].contains("shop.Secret"), "{lines:?}");
    assert!(lines[3].contains("malformed"), "{lines:?}");
}
