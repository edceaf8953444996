//! The connection pool.
//!
//! Built on deadpool instead of sqlx's pool, which pings a connection on every release without a time limit,
//! keeps the slot of a hanging connection until TCP gives it up, and replaces every connect error by a
//! timeout.
//!
//! A connection leaves the pool when its server has become read-only, when its lifetime is over, and when
//! another connection showed that the server or its statements have changed ([`Pool::evict`]).

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use deadpool::{
    Runtime,
    managed::{
        Manager, Metrics as ObjectMetrics, Object, Pool as Objects, PoolError, RecycleError, RecycleResult,
        TimeoutType,
    },
};
use service_kit::ids::jittered;
use tokio::time::{Instant, timeout};

use crate::{
    Connection,
    connector::Connector,
    dialect::{Dialect, read_only, timed_out},
};

/// How long a caller waits for a free connection.
pub(crate) const POOL_WAIT_MAX: Duration = Duration::from_secs(5);
/// A connection whose last check is older than this is checked before use. The check has the same time limit.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Opens and checks the connections of a pool.
#[derive(Debug)]
struct Opener {
    connector: Connector,
    /// Rises with each eviction.
    generation: AtomicU64,
}

/// A connection of a pool.
#[derive(Debug)]
struct Entry {
    connection: Connection,
    /// The generation of the pool in which the connection was opened.
    generation: u64,
    /// The server rejected writes when the connection was opened. It serves one read and is closed.
    read_only: bool,
    checked: Instant,
    expires: Instant,
}

impl Opener {
    fn is_outdated(&self, entry: &Entry) -> bool {
        entry.generation < self.generation.load(Ordering::Acquire)
    }
}

impl Manager for Opener {
    type Type = Entry;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Entry, sqlx::Error> {
        let generation = self.generation.load(Ordering::Acquire);
        let mut connection = self.connector.connect().await?;
        let checking = self.connector.is_read_only(&mut connection);
        let read_only = timeout(CHECK_INTERVAL, checking).await.map_err(|_| timed_out(CHECK_INTERVAL))??;
        let checked = Instant::now();
        let expires = checked + jittered(self.connector.lifetime_max);
        Ok(Entry { connection, generation, read_only, checked, expires })
    }

    async fn recycle(&self, entry: &mut Entry, _: &ObjectMetrics) -> RecycleResult<sqlx::Error> {
        let now = Instant::now();
        if self.is_outdated(entry) || now >= entry.expires {
            return Err(RecycleError::message("the connection is replaced by a new one"));
        }
        if self.connector.dialect != Dialect::Sqlite && now - entry.checked > CHECK_INTERVAL {
            let checking = self.connector.is_read_only(&mut entry.connection);
            let checked = timeout(CHECK_INTERVAL, checking).await;
            if checked.map_err(|_| RecycleError::Backend(timed_out(CHECK_INTERVAL)))?? {
                return Err(RecycleError::Backend(read_only()));
            }
            entry.checked = Instant::now();
        }
        Ok(())
    }
}

/// A pool of connections. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Objects<Opener>);

impl Pool {
    pub(crate) fn new(connector: Connector, connections_max: usize) -> Self {
        let pool = Objects::builder(Opener { connector, generation: AtomicU64::new(0) })
            .max_size(connections_max)
            .wait_timeout(Some(POOL_WAIT_MAX))
            .runtime(Runtime::Tokio1)
            .build();
        #[allow(clippy::expect_used, reason = "a build fails only where a timeout has no runtime")]
        let pool = pool.expect("a runtime is set");
        let weak = pool.weak();
        let metrics = &pool.manager().connector.metrics;
        metrics.observe_pool(move || weak.upgrade().map(|pool| pool.status()));
        Self(pool)
    }

    pub(crate) fn connector(&self) -> &Connector {
        &self.0.manager().connector
    }

    /// Returns a connection. Waits at most [`POOL_WAIT_MAX`] for a free one plus the time limit for a new
    /// one; checks of idle connections count as part of either.
    pub(crate) async fn get(&self) -> Result<PooledConnection, sqlx::Error> {
        let Connector { connect_max, metrics, .. } = self.connector();
        let (limit, started) = (POOL_WAIT_MAX + *connect_max, Instant::now());
        let taken = timeout(limit, self.0.get()).await.unwrap_or(Err(PoolError::Timeout(TimeoutType::Wait)));
        metrics.waited(started.elapsed());
        if matches!(taken, Err(PoolError::Timeout(_))) {
            metrics.timed_out();
        }
        match taken {
            Ok(object) => Ok(PooledConnection(Some(object))),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Closed) => Err(sqlx::Error::PoolClosed),
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        }
    }

    /// As [`get`](Self::get), for a write.
    ///
    /// # Errors
    ///
    /// Also if the server rejects writes.
    pub(crate) async fn get_writable(&self) -> Result<PooledConnection, sqlx::Error> {
        let pooled = self.get().await?;
        if pooled.is_read_only() { Err(read_only()) } else { Ok(pooled) }
    }

    /// Closes every connection: an idle one now, one in use when it is released. Called after a connection
    /// has shown that its server is gone, was demoted, or no longer knows its statements: the others are
    /// affected as well.
    pub(crate) fn evict(&self) {
        self.0.manager().generation.fetch_add(1, Ordering::AcqRel);
        self.0.retain(|_, _| false);
    }

    /// Rejects later callers and drops idle connections.
    pub(crate) fn close(&self) {
        self.0.close();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// A connection in use. Dropping it closes it, since the response of the last statement may be pending;
/// [`release`](Self::release) returns it to the pool.
#[derive(Debug)]
pub(crate) struct PooledConnection(Option<Object<Opener>>);

impl PooledConnection {
    #[allow(clippy::expect_used, reason = "only `release` and `drop` take the object, and both are final")]
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.0.as_mut().expect("taken only by release and drop").connection
    }

    fn is_read_only(&self) -> bool {
        self.0.as_ref().is_some_and(|entry| entry.read_only)
    }

    /// Returns the connection to the pool, unless it must not be used again.
    pub(crate) fn release(mut self) {
        if !self.is_read_only() {
            drop(self.0.take());
        }
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        drop(self.0.take().map(Object::take));
    }
}
