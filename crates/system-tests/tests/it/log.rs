//! What the services of a test log, of a test whose every task runs on its own thread.

use std::{cell::RefCell, io, sync::Once};

use tracing_subscriber::{filter::Targets, fmt, fmt::MakeWriter, layer::SubscriberExt};

thread_local! {
    static KEPT: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Keeps what this thread logs at the level that is the default, until it is dropped.
pub(crate) struct Log(());

impl Log {
    /// Keeps what is logged from now on.
    pub(crate) fn keep() -> Self {
        static INSTALLED: Once = Once::new();
        // For the whole process: a subscriber of one thread's own misses what another thread met first.
        INSTALLED.call_once(|| {
            let ours = Targets::new()
                .with_targets(["gateway", "channel", "chassis"].map(|t| (t, tracing::Level::INFO)));
            let lines = fmt::layer().with_ansi(false).with_writer(Kept);
            let subscriber = tracing_subscriber::registry().with(ours).with(lines);
            tracing::subscriber::set_global_default(subscriber).expect("nobody else installs a subscriber");
        });
        KEPT.set(Some(Vec::new()));
        Self(())
    }

    /// The lines so far, which are forgotten by this.
    pub(crate) fn lines(&self) -> Vec<String> {
        let kept = KEPT.replace(Some(Vec::new())).unwrap_or_default();
        String::from_utf8(kept).expect("lines of text").lines().map(str::to_owned).collect()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        KEPT.set(None);
    }
}

struct Kept;

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        KEPT.with_borrow_mut(|kept| kept.as_mut().map(|kept| kept.extend(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
