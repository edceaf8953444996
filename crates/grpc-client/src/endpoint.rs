//! One endpoint: its connection, its load, and whether it is ejected.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::{
    connection::{ConnectError, Connection, Dialer, RECONNECT_INTERVAL, StreamPermit},
    failure::TransportError,
    metrics::EndpointMeters,
};

mod health_check;
mod load;
mod outlier;

use load::Load;
use outlier::OutlierState;

/// How long a connection with calls in flight may receive nothing before the peer's liveness is probed.
const SILENCE_MAX: Duration = Duration::from_millis(500);

/// A server address that calls are sent to.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The address, as shown in logs, errors and metrics.
    pub(crate) name: Arc<str>,
    pub(crate) dialer: Dialer,
    phase: Mutex<Phase>,
    in_flight: AtomicUsize,
    pub(crate) load: Load,
    outlier: OutlierState,
    is_only: AtomicBool,
    pub(crate) meters: Arc<EndpointMeters>,
}

type DialResult = Option<Result<Connection, Arc<ConnectError>>>;

#[derive(Debug)]
enum Phase {
    Idle,
    /// All calls wait for the same attempt to connect.
    Connecting(watch::Receiver<DialResult>),
    Ready(Connection),
    /// The last attempt to connect failed. Calls until `until` fail with its error.
    Failed {
        error: Arc<ConnectError>,
        until: Instant,
    },
}

impl Endpoint {
    pub(crate) fn new(name: Arc<str>, dialer: Dialer, meters: Arc<EndpointMeters>) -> Self {
        Self {
            name,
            dialer,
            phase: Mutex::new(Phase::Idle),
            in_flight: AtomicUsize::new(0),
            load: Load::default(),
            outlier: OutlierState::default(),
            is_only: AtomicBool::new(false),
            meters,
        }
    }

    /// The connection. Without one it connects, if the last attempt was [`RECONNECT_INTERVAL`] ago.
    /// Connecting goes on when the call that started it is dropped.
    pub(crate) async fn connection(self: &Arc<Self>) -> Result<Connection, TransportError> {
        let mut result = match &mut *self.phase() {
            Phase::Ready(connection) if !connection.has_ended() => return Ok(connection.clone()),
            // An error means that the sender was dropped: the runtime of the dialling task has ended.
            Phase::Connecting(result) if result.has_changed().is_ok() => result.clone(),
            Phase::Failed { error, until } if Instant::now() < *until => {
                return Err(self.unreachable(error.clone()));
            }
            phase => {
                let (sender, result) = watch::channel(None);
                *phase = Phase::Connecting(result.clone());
                tokio::spawn(self.clone().connect(sender));
                result
            }
        };
        let result = result.wait_for(Option::is_some).await.ok().and_then(|result| result.clone());
        // The runtime of the dialling task ended during the wait.
        let result = result.unwrap_or_else(|| Err(Arc::new(ConnectError::Closed)));
        result.map_err(|source| self.unreachable(source))
    }

    fn unreachable(&self, source: Arc<ConnectError>) -> TransportError {
        TransportError::Unreachable { endpoint: self.name.clone(), source }
    }

    async fn connect(self: Arc<Self>, result: watch::Sender<DialResult>) {
        let until = Instant::now() + RECONNECT_INTERVAL;
        let dialled = self.dialer.connect().await.map_err(Arc::new);
        *self.phase() = match &dialled {
            Ok(connection) => Phase::Ready(connection.clone()),
            Err(error) => Phase::Failed { error: error.clone(), until },
        };
        if let Err(error) = &dialled {
            tracing::debug!(endpoint = %self.name, %error, "connecting failed");
            self.eject("connecting failed");
        }
        result.send_replace(Some(dialled));
    }

    /// Stops using `connection` for new calls. Calls in flight continue; the next call connects anew.
    pub(crate) fn retire(&self, connection: &Connection) {
        let mut phase = self.phase();
        if matches!(&*phase, Phase::Ready(current) if current.is_same(connection)) {
            *phase = Phase::Idle;
        }
    }

    pub(crate) fn is_ejected(&self) -> bool {
        self.outlier.is_ejected()
    }

    /// Records a response to the call with `permit`. While the endpoint is ejected, only a response on its
    /// newest connection unejects it: a server that shuts down still responds on old connections, but accepts
    /// no new ones.
    pub(crate) fn record_response(&self, permit: Option<&StreamPermit>) {
        let is_old = |permit| !matches!(&*self.phase(), Phase::Ready(newest) if newest.issued(permit));
        if self.is_ejected() && permit.is_none_or(is_old) {
            return;
        }
        if self.outlier.record_response() {
            self.record_uneject();
        }
    }

    /// Records a failed attempt. Too many in a row eject the endpoint.
    pub(crate) fn record_failure(&self) {
        if self.outlier.record_failure() {
            self.eject("too many failures in a row");
        }
    }

    /// Sets whether this is the only endpoint of its target. The only endpoint is never ejected.
    pub(crate) fn set_only(&self, is_only: bool) {
        self.is_only.store(is_only, Ordering::Relaxed);
        if is_only && self.outlier.uneject() {
            self.record_uneject();
        }
    }

    fn eject(&self, reason: &str) {
        if self.is_only.load(Ordering::Relaxed) {
            return;
        }
        if let Some(wait) = self.outlier.eject(Instant::now()) {
            tracing::info!(endpoint = %self.name, reason, next_check_in = ?wait, "endpoint ejected");
            self.meters.ejections.inc();
            self.meters.ejected.inc();
        }
    }

    fn record_uneject(&self) {
        tracing::info!(endpoint = %self.name, "endpoint back in use");
        self.meters.ejected.dec();
    }

    /// Checks an ejected endpoint whose backoff is over, and probes the liveness of a silent one.
    pub(crate) fn tick(self: &Arc<Self>, health_service: &Arc<str>) {
        if self.outlier.take_due_check(Instant::now()) {
            tokio::spawn(self.clone().check_ejected(health_service.clone()));
        } else if !self.is_ejected()
            && let Phase::Ready(connection) = &*self.phase()
            && connection.silent_for().is_some_and(|silent| silent > SILENCE_MAX)
            && self.outlier.start_probe()
        {
            tokio::spawn(self.clone().probe_liveness(connection.clone(), health_service.clone()));
        }
    }

    /// Unejects the endpoint if it accepts a connection and passes a health check; extends the ejection
    /// otherwise.
    async fn check_ejected(self: Arc<Self>, health_service: Arc<str>) {
        let is_serving = match self.connection().await {
            Ok(connection) => health_check::is_serving(&connection, &self.dialer, &health_service).await,
            Err(_) => false,
        };
        if is_serving {
            // A late response may have unejected it already.
            if self.outlier.uneject() {
                self.record_uneject();
            }
        } else if let Some(wait) = self.outlier.extend(Instant::now()) {
            tracing::debug!(endpoint = %self.name, next_check_in = ?wait, "endpoint stays ejected");
        }
    }

    /// Ejects the endpoint unless it responds to a health check: a silent endpoint may be slow, or frozen.
    async fn probe_liveness(self: Arc<Self>, connection: Connection, health_service: Arc<str>) {
        let is_alive = health_check::is_alive(&connection, &self.dialer, &health_service).await;
        self.outlier.end_probe();
        if !is_alive {
            // Calls in flight may still get a response; new ones must not use this connection.
            self.retire(&connection);
            self.eject("no response to a liveness probe");
        }
    }

    /// Attempts in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn start_attempt(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.meters.in_flight.inc();
    }

    pub(crate) fn end_attempt(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.meters.in_flight.dec();
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        // No code panics while it holds the lock.
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if self.is_ejected() {
            self.meters.ejected.dec();
        }
    }
}
