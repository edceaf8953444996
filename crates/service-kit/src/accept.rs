//! The accept loop of a listener: a limit of open connections, a limit of those that have not begun their
//! protocol, and a pause where the system has no resources for another.
//!
//! Each accepted connection is a task of its own, TLS handshake included, so that a slow client delays no
//! other.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use crate::telemetry::LogLimit;

/// Limit of connections of one listener that are [`Opening`]. A further one closes the oldest: an honest
/// client needs milliseconds, so the oldest belong to silent clients.
pub const OPENING_MAX: usize = 256;
/// Pause after a failed accept: without free file descriptors, the next one fails as well.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The least interval of log lines about one condition of a listener.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// A connection whose client has not completed its TLS handshake, or not begun its protocol. Dropping the
/// value ends that state.
#[derive(Debug)]
pub struct Opening(#[expect(dead_code, reason = "counted by its weak references")] Arc<()>);

/// Accepts the connections of one listener, and owns their tasks: dropping it closes all.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    connections_max: usize,
    connections: Connections,
    failures: LogLimit,
    at_limit: LogLimit,
}

/// The tasks of the open connections.
#[derive(Debug)]
struct Connections {
    tasks: JoinSet<()>,
    /// In the order of their start; some have begun their protocol, or have ended.
    opening: VecDeque<(Weak<()>, AbortHandle)>,
    closed_early: LogLimit,
}

impl Acceptor {
    /// Accepts from `listener`, while fewer than `connections_max` connections are open. The next one waits
    /// in the backlog of the listener.
    pub fn new(listener: TcpListener, connections_max: usize) -> Self {
        let log_limit = || LogLimit::every(LOG_INTERVAL);
        let connections =
            Connections { tasks: JoinSet::new(), opening: VecDeque::new(), closed_early: log_limit() };
        Self { listener, connections_max, connections, failures: log_limit(), at_limit: log_limit() }
    }

    /// Whether no connection is open.
    pub fn is_empty(&self) -> bool {
        self.connections.tasks.is_empty()
    }

    /// Accepts connections forever. `serve` returns the future that serves one, or `None` to close it at
    /// once. Cancel safe.
    pub async fn accept<F>(&mut self, mut serve: impl FnMut(TcpStream, SocketAddr, Opening) -> Option<F>)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        loop {
            let is_full = self.connections.tasks.len() >= self.connections_max;
            if is_full && self.at_limit.next_line().is_some() {
                tracing::warn!("{} connections are open: further ones wait", self.connections_max);
            }
            tokio::select! {
                Some(_) = self.connections.tasks.join_next() => {}
                accepted = self.listener.accept(), if !is_full => match accepted {
                    Ok((stream, peer)) => self.connections.start(stream, peer, &mut serve),
                    Err(error) => self.pause_after(&error).await,
                },
            }
        }
    }

    /// Accepts the connections in the backlog, closes the listener, and returns the tasks of all connections.
    /// The clients in the backlog are connected already, and may have sent a request.
    pub fn close<F>(self, mut serve: impl FnMut(TcpStream, SocketAddr, Opening) -> Option<F>) -> JoinSet<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { listener, connections_max, mut connections, .. } = self;
        // tokio may not have been notified of all of them yet; a non-blocking accept of the socket itself
        // finds them.
        let Ok(listener) = listener.into_std() else { return connections.tasks };
        while connections.tasks.len() < connections_max
            && let Ok((stream, peer)) = listener.accept()
        {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                connections.start(stream, peer, &mut serve);
            }
        }
        connections.tasks
    }

    /// Pauses where the next accept would fail at once, and logs the failure. Errors of the accepted
    /// connection itself do not concern the listener (accept(2), "Error handling").
    async fn pause_after(&mut self, error: &io::Error) {
        use io::ErrorKind as Kind;
        if matches!(
            error.kind(),
            Kind::ConnectionAborted
                | Kind::ConnectionRefused
                | Kind::ConnectionReset
                | Kind::HostUnreachable
                | Kind::Interrupted
                | Kind::NetworkDown
                | Kind::NetworkUnreachable
                | Kind::PermissionDenied
        ) {
            return;
        }
        if let Some(others) = self.failures.next_line() {
            let open = self.connections.tasks.len();
            tracing::error!(%error, open, others, "cannot accept connections");
        }
        sleep(ACCEPT_PAUSE).await;
    }
}

impl Connections {
    fn start<F>(
        &mut self,
        stream: TcpStream,
        peer: SocketAddr,
        serve: &mut impl FnMut(TcpStream, SocketAddr, Opening) -> Option<F>,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let opening = Arc::new(());
        let is_opening = Arc::downgrade(&opening);
        let Some(serving) = serve(stream, peer, Opening(opening)) else { return };
        if self.opening.len() >= OPENING_MAX {
            self.opening.retain(|(is_opening, _)| is_opening.strong_count() > 0);
        }
        if self.opening.len() >= OPENING_MAX
            && let Some((_, oldest)) = self.opening.pop_front()
        {
            oldest.abort();
            if let Some(others) = self.closed_early.next_line() {
                tracing::info!(
                    others,
                    "closed the oldest of {OPENING_MAX} connections that have sent no request"
                );
            }
        }
        let task = self.tasks.spawn(serving);
        self.opening.push_back((is_opening, task));
    }
}

#[cfg(test)]
mod tests;
