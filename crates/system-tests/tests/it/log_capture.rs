//! Captures the log of services that run on the test's own thread.

use std::{cell::RefCell, io, sync::Once};

use tracing_subscriber::{filter::Targets, fmt, fmt::MakeWriter, layer::SubscriberExt};

thread_local! {
    static CAPTURED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Captures this thread's log at the default level until dropped.
pub(crate) struct LogCapture(());

impl LogCapture {
    /// Starts the capture.
    pub(crate) fn start() -> Self {
        static INSTALLED: Once = Once::new();
        // One subscriber for the process: tracing caches call sites that a thread-local subscriber
        // would miss.
        INSTALLED.call_once(|| {
            let targets = Targets::new()
                .with_targets(["gateway", "grpc_client", "service_kit"].map(|t| (t, tracing::Level::INFO)));
            let lines = fmt::layer().with_ansi(false).with_writer(CaptureWriter);
            let subscriber = tracing_subscriber::registry().with(targets).with(lines);
            tracing::subscriber::set_global_default(subscriber).expect("the only global subscriber");
        });
        CAPTURED.set(Some(Vec::new()));
        Self(())
    }

    /// Removes and returns the lines captured so far.
    pub(crate) fn take_lines(&self) -> Vec<String> {
        let captured = CAPTURED.replace(Some(Vec::new())).unwrap_or_default();
        String::from_utf8(captured).expect("lines of text").lines().map(str::to_owned).collect()
    }
}

impl Drop for LogCapture {
    fn drop(&mut self) {
        CAPTURED.set(None);
    }
}

struct CaptureWriter;

impl<'a> MakeWriter<'a> for CaptureWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl io::Write for CaptureWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        CAPTURED.with_borrow_mut(|captured| captured.as_mut().map(|captured| captured.extend(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
