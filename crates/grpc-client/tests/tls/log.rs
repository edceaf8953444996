//! The log lines of all threads of this process.

use std::{
    io,
    sync::{LazyLock, Mutex},
};

use tracing_subscriber::fmt;

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Process-wide, because reloads run on threads of the runtime's blocking pool.
static INSTALLED: LazyLock<()> = LazyLock::new(|| {
    let subscriber = fmt::Subscriber::builder().with_ansi(false).with_writer(|| Lines).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
});

struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts to capture log lines.
pub(crate) fn capture() {
    LazyLock::force(&INSTALLED);
}

/// The lines with `level` and `text`.
pub(crate) fn lines(level: &str, text: &str) -> Vec<String> {
    let log = String::from_utf8(LINES.lock().unwrap().clone()).unwrap();
    log.lines().filter(|line| line.contains(level) && line.contains(text)).map(str::to_owned).collect()
}
