//! Connections to one database: so many at most, each told first what every session is told.
//!
//! Pooled by deadpool rather than by sqlx: sqlx's pool asks a connection whether it still lives each time that it
//! is given back, keeps the place of one that hangs until the operating system gives it up, and says of whatever
//! goes wrong at connecting only that the time was up.

use std::{fmt, net::SocketAddr, time::Duration};

use deadpool::{
    Runtime, Status,
    managed::{
        Manager, Metrics, Object, Pool as Objects, PoolError, RecycleError, RecycleResult, TimeoutType,
    },
};
use sqlx::{AnyConnection, Connection, Executor, any::AnyConnectOptions};
use tokio::time::{Instant, timeout};

use crate::{
    dialect::{Dialect, timed_out},
    metrics::Metrics as MetricsOfDatabase,
    relay,
    work::{Session, Work},
};

/// How long a caller waits for a connection that others use.
pub(crate) const TURN_MAX: Duration = Duration::from_secs(5);
/// A connection that was not used for this long is asked whether it still lives, and has as long to say so.
const IDLE_TRUSTED: Duration = Duration::from_secs(1);

/// How connections are made. `Debug` shows no options, since they hold a password.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) dialect: Dialect,
    pub(crate) options: AnyConnectOptions,
    /// Where the server is that sqlx cannot dial.
    pub(crate) relayed: Option<SocketAddr>,
    /// How long connecting may take.
    pub(crate) connect_max: Duration,
    /// How long one piece of work may take from its first statement to the answer.
    pub(crate) answer_max: Duration,
    pub(crate) metrics: MetricsOfDatabase,
    #[cfg(feature = "fault-injection")]
    pub(crate) faults: service_kit::fault_injection::FaultRules,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

impl Connector {
    /// A new session, told what every session is told.
    pub(crate) async fn connect(&self) -> Result<Session, sqlx::Error> {
        let connected = timeout(self.connect_max, async {
            let mut connection = match self.relayed {
                Some(server) => relay::connect(server, &self.options).await?,
                None => AnyConnection::connect_with(&self.options).await?,
            };
            connection.execute(self.dialect.preparation()).await?;
            Ok(Session { connection, dialect: self.dialect })
        });
        connected.await.unwrap_or_else(|_| Err(timed_out(self.connect_max)))
    }

    /// What `work` comes to, unless it takes too long.
    pub(crate) async fn run<W: Work>(
        &self,
        work: &W,
        session: &mut Session,
    ) -> Result<W::Output, sqlx::Error> {
        self.answered(work.run(session)).await
    }

    /// What `asked` is answered, unless that takes too long.
    pub(crate) async fn answered<T>(
        &self,
        asked: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        timeout(self.answer_max, asked).await.unwrap_or_else(|_| Err(timed_out(self.answer_max)))
    }
}

impl Manager for Connector {
    type Type = Session;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Session, sqlx::Error> {
        self.connect().await
    }

    async fn recycle(&self, session: &mut Session, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if self.dialect != Dialect::Sqlite && metrics.last_used() > IDLE_TRUSTED {
            let asked = timeout(IDLE_TRUSTED, session.connection.ping()).await;
            asked.map_err(|_| RecycleError::Backend(timed_out(IDLE_TRUSTED)))??;
        }
        Ok(())
    }
}

/// The connections. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Objects<Connector>);

impl Pool {
    pub(crate) fn new(connector: Connector, connections_max: usize) -> Self {
        let pool = Objects::builder(connector)
            .max_size(connections_max)
            .wait_timeout(Some(TURN_MAX))
            .runtime(Runtime::Tokio1)
            .build();
        #[allow(clippy::expect_used, reason = "a build fails only where a timeout has no runtime")]
        Self(pool.expect("a runtime was given"))
    }

    pub(crate) fn connector(&self) -> &Connector {
        self.0.manager()
    }

    /// A connection, after waiting for one no longer than [`TURN_MAX`], and for a new one no longer than making it may
    /// take; asking those that idled whether they live is part of either.
    pub(crate) async fn get(&self) -> Result<Held, sqlx::Error> {
        let Connector { connect_max, metrics, .. } = self.connector();
        let (bound, began) = (TURN_MAX + *connect_max, Instant::now());
        let had = timeout(bound, self.0.get()).await.unwrap_or(Err(PoolError::Timeout(TimeoutType::Wait)));
        metrics.waited(began.elapsed());
        if matches!(had, Err(PoolError::Timeout(_))) {
            metrics.timed_out();
        }
        match had {
            Ok(object) => Ok(Held(Some(object))),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Closed) => Err(sqlx::Error::PoolClosed),
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        }
    }

    /// For those who look at the pool and do not keep it.
    pub(crate) fn weak(&self) -> WeakPool {
        WeakPool(self.0.weak())
    }

    /// Drops every connection that nobody uses: one was found dead, and the others have seen no less.
    pub(crate) fn distrust_idle(&self) {
        self.0.retain(|_, _| false);
    }

    /// Refuses whoever asks from now on, and drops what nobody uses.
    pub(crate) fn close(&self) {
        self.0.close();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// A pool that others keep.
pub(crate) struct WeakPool(deadpool::managed::WeakPool<Connector>);

impl WeakPool {
    /// How many connections there are, and how many wait for one; `None` where the pool is gone.
    pub(crate) fn status(&self) -> Option<Status> {
        self.0.upgrade().map(|pool| pool.status())
    }
}

/// A connection in use. Dropped, it is not used again: what was sent last may be without its answer. One whose
/// work is done is given back by [`release`](Self::release).
#[derive(Debug)]
pub(crate) struct Held(Option<Object<Connector>>);

impl Held {
    #[allow(clippy::expect_used, reason = "only `release` and `drop` take it, and both are the last to")]
    pub(crate) fn session(&mut self) -> &mut Session {
        self.0.as_mut().expect("it is held until it is released")
    }

    pub(crate) fn release(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.take().map(Object::take));
    }
}
