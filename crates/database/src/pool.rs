//! The connection pool.
//!
//! Built on deadpool instead of sqlx's pool, which pings a connection on every release without a time limit,
//! keeps the slot of a hanging connection until TCP gives it up, and replaces every connect error by a
//! timeout.

use std::{fmt, net::SocketAddr, time::Duration};

use deadpool::{
    Runtime,
    managed::{
        Manager, Metrics as ObjectMetrics, Object, Pool as Objects, PoolError, RecycleError, RecycleResult,
        TimeoutType,
    },
};
use sqlx::{AnyConnection, Connection as _, Executor, any::AnyConnectOptions};
use tokio::time::{Instant, timeout};

use crate::{
    Connection, Metrics, Transaction,
    dialect::{Dialect, timed_out},
    relay,
};

/// How long a caller waits for a free connection.
pub(crate) const POOL_WAIT_MAX: Duration = Duration::from_secs(5);
/// A connection that was idle for longer than this is pinged before use; the ping has the same time limit.
const PING_AFTER_IDLE: Duration = Duration::from_secs(1);

/// Opens connections. `Debug` omits the options, which contain the password.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) dialect: Dialect,
    pub(crate) options: AnyConnectOptions,
    /// The address of a server that sqlx cannot dial (see `relay`).
    pub(crate) relayed_address: Option<SocketAddr>,
    /// Time limit for connecting.
    pub(crate) connect_max: Duration,
    /// Time limit for one transaction.
    pub(crate) transaction_max: Duration,
    pub(crate) metrics: Metrics,
    #[cfg(feature = "fault-injection")]
    pub(crate) faults: service_kit::fault_injection::FaultRules,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

impl Connector {
    /// Opens a connection and applies the session settings.
    pub(crate) async fn connect(&self) -> Result<Connection, sqlx::Error> {
        let connected = timeout(self.connect_max, async {
            let mut inner = match self.relayed_address {
                Some(server) => relay::connect(server, &self.options).await?,
                None => AnyConnection::connect_with(&self.options).await?,
            };
            inner.execute(self.dialect.session_settings()).await?;
            Ok(Connection { inner, dialect: self.dialect })
        });
        connected.await.unwrap_or_else(|_| Err(timed_out(self.connect_max)))
    }

    /// Runs `transaction` within the time limit.
    pub(crate) async fn run<T: Transaction>(
        &self,
        transaction: &T,
        connection: &mut Connection,
    ) -> Result<T::Output, sqlx::Error> {
        self.within_limit(transaction.run(connection)).await
    }

    /// Awaits `statements` within the time limit of a transaction.
    pub(crate) async fn within_limit<T>(
        &self,
        statements: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        timeout(self.transaction_max, statements)
            .await
            .unwrap_or_else(|_| Err(timed_out(self.transaction_max)))
    }
}

impl Manager for Connector {
    type Type = Connection;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Connection, sqlx::Error> {
        self.connect().await
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        metrics: &ObjectMetrics,
    ) -> RecycleResult<sqlx::Error> {
        if self.dialect != Dialect::Sqlite && metrics.last_used() > PING_AFTER_IDLE {
            let pinged = timeout(PING_AFTER_IDLE, connection.inner.ping()).await;
            pinged.map_err(|_| RecycleError::Backend(timed_out(PING_AFTER_IDLE)))??;
        }
        Ok(())
    }
}

/// A pool of connections. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Objects<Connector>);

impl Pool {
    pub(crate) fn new(connector: Connector, connections_max: usize) -> Self {
        let pool = Objects::builder(connector)
            .max_size(connections_max)
            .wait_timeout(Some(POOL_WAIT_MAX))
            .runtime(Runtime::Tokio1)
            .build();
        #[allow(clippy::expect_used, reason = "a build fails only where a timeout has no runtime")]
        let pool = pool.expect("a runtime is set");
        let weak = pool.weak();
        pool.manager().metrics.observe_pool(move || weak.upgrade().map(|pool| pool.status()));
        Self(pool)
    }

    pub(crate) fn connector(&self) -> &Connector {
        self.0.manager()
    }

    /// Returns a connection. Waits at most [`POOL_WAIT_MAX`] for a free one plus the time limit for a new
    /// one; pings of idle connections count as part of either.
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

    /// Drops every idle connection. Called after one of them turned out to be dead: the others probably are
    /// too.
    pub(crate) fn evict_idle(&self) {
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
pub(crate) struct PooledConnection(Option<Object<Connector>>);

impl PooledConnection {
    #[allow(clippy::expect_used, reason = "only `release` and `drop` take the object, and both are final")]
    pub(crate) fn connection(&mut self) -> &mut Connection {
        self.0.as_mut().expect("taken only by release and drop")
    }

    pub(crate) fn release(mut self) {
        drop(self.0.take());
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        drop(self.0.take().map(Object::take));
    }
}
