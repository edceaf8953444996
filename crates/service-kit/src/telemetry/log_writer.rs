//! Writes log lines on a thread of its own: a stalled reader of the log delays no request.
//!
//! `tracing-appender` does the same, but prints on stdout when the process ends with a full queue, which blocks
//! for ever if stdout and stderr are the same stalled pipe.

use std::{
    io::{self, BufWriter, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender, SyncSender, TryRecvError},
    },
    thread,
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::fmt::MakeWriter;

/// Limit of the memory of queued lines.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// The memory of a queued line beside its text, approximately.
const LINE_OVERHEAD_BYTES: usize = 64;

enum Message {
    Line(Vec<u8>),
    /// Sends on the channel once all lines before it are written.
    Flush(SyncSender<()>),
}

/// The sending end of the queue. A line that would exceed [`BYTES_MAX`] is dropped and counted.
#[derive(Debug, Clone)]
pub(crate) struct LogWriter {
    queue: Sender<Message>,
    queued_bytes: Arc<AtomicUsize>,
    dropped: Counter,
}

impl LogWriter {
    /// Starts the thread, which writes to `sink` and ignores its errors. `dropped` counts dropped lines.
    ///
    /// # Errors
    ///
    /// The operating system starts no thread.
    pub(crate) fn start(sink: impl Write + Send + 'static, dropped: Counter) -> io::Result<Self> {
        let (queue, messages) = mpsc::channel();
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        let bytes = queued_bytes.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&messages, sink, &bytes))?;
        Ok(Self { queue, queued_bytes, dropped })
    }

    /// Waits until the lines so far are written, for at most `max`.
    pub(crate) fn flush(&self, max: Duration) {
        let (sender, flushed) = mpsc::sync_channel(1);
        if self.queue.send(Message::Flush(sender)).is_ok() {
            // An error means that the time is over.
            let _ = flushed.recv_timeout(max);
        }
    }
}

/// Writes until every sender is dropped. Lines that are queued together share a write.
fn write_all(messages: &Receiver<Message>, sink: impl Write, queued_bytes: &AtomicUsize) {
    let mut sink = BufWriter::new(sink);
    loop {
        let message = match messages.try_recv() {
            Err(TryRecvError::Empty) => {
                let _ = sink.flush();
                messages.recv().ok()
            }
            received => received.ok(),
        };
        match message {
            Some(Message::Line(line)) => {
                let _ = sink.write_all(&line);
                queued_bytes.fetch_sub(line.len() + LINE_OVERHEAD_BYTES, Ordering::Relaxed);
            }
            Some(Message::Flush(sender)) => {
                let _ = sink.flush();
                // An error means that nothing waits any more.
                let _ = sender.try_send(());
            }
            None => return,
        }
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

impl Write for &LogWriter {
    /// Queues `line`, one or more whole lines.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let bytes = line.len() + LINE_OVERHEAD_BYTES;
        let queued = self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        if queued + bytes > BYTES_MAX || self.queue.send(Message::Line(line.to_vec())).is_err() {
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.dropped.inc();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixStream, sync::Mutex};

    use super::*;

    /// Sends what is written; writes nothing while the mutex is locked.
    struct Sink(Sender<Vec<u8>>, Arc<Mutex<()>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _stalled = self.1.lock().unwrap();
            self.0.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order() {
        let (sent, written) = mpsc::channel();
        let writer = LogWriter::start(Sink(sent, Arc::default()), Counter::default()).unwrap();
        for number in 0..100 {
            writeln!(&writer, "line {number}").unwrap();
        }
        writer.flush(Duration::from_secs(10));
        let text = String::from_utf8(written.try_iter().flatten().collect()).unwrap();
        let expected: String = (0..100).map(|number| format!("line {number}\n")).collect();
        assert_eq!(text, expected);
    }

    #[test]
    fn lines_beyond_the_limit_of_a_stalled_queue_are_dropped_and_counted() {
        for line in [vec![b'.'; 10], vec![b'.'; BYTES_MAX / 100]] {
            let total = 2 * BYTES_MAX / (line.len() + LINE_OVERHEAD_BYTES);
            let (stalled, dropped) = (Arc::new(Mutex::new(())), Counter::default());
            let guard = stalled.lock().unwrap();
            let (sent, written) = mpsc::channel();
            let writer = LogWriter::start(Sink(sent, stalled.clone()), dropped.clone()).unwrap();
            for _ in 0..total {
                (&writer).write_all(&line).unwrap();
            }
            // Returns although the sink has stalled.
            writer.flush(Duration::from_millis(10));
            drop(guard);
            writer.flush(Duration::from_secs(10));
            let lines = written.try_iter().map(|bytes| bytes.len()).sum::<usize>() / line.len();
            let dropped_lines = usize::try_from(dropped.get()).unwrap();
            // The thread holds some lines more than the queue.
            assert!((total / 3..=total / 2 + 1).contains(&dropped_lines), "{dropped_lines} of {total}");
            assert_eq!(lines + dropped_lines, total);
            (&writer).write_all(&line).unwrap();
            writer.flush(Duration::from_secs(10));
            assert_eq!(written.try_iter().flatten().count(), line.len());
        }
    }

    #[test]
    fn a_closed_sink_ends_nothing() {
        let (sink, reader) = UnixStream::pair().unwrap();
        drop(reader);
        let writer = LogWriter::start(sink, Counter::default()).unwrap();
        for _ in 0..3 {
            writeln!(&writer, "lost").unwrap();
            writer.flush(Duration::from_secs(10));
        }
    }
}
