//! One endpoint: its connection, how loaded it is, and whether it is in use.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::{
    connection::{ConnectError, Connection, Dial, Waiting},
    failure::Raised,
    metrics::EndpointMeters,
};

mod health;
mod load;
mod probe;

use health::Health;
use load::Load;

/// A connection with calls in flight that brings nothing for so long is asked whether its peer is there.
const SILENCE_MAX: Duration = Duration::from_millis(500);

/// A place that calls go to.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// What it is called in logs, errors and metrics: its address.
    pub(crate) name: Arc<str>,
    pub(crate) dial: Dial,
    phase: Mutex<Phase>,
    in_flight: AtomicUsize,
    pub(crate) load: Load,
    health: Health,
    is_only: AtomicBool,
    pub(crate) meters: Arc<EndpointMeters>,
}

type Dialled = Option<Result<Connection, Arc<ConnectError>>>;

#[derive(Debug)]
enum Phase {
    Idle,
    /// Whoever needs the connection waits for the one attempt.
    Connecting(watch::Receiver<Dialled>),
    Ready(Connection),
}

impl Endpoint {
    pub(crate) fn new(name: Arc<str>, dial: Dial, meters: Arc<EndpointMeters>) -> Self {
        Self {
            name,
            dial,
            phase: Mutex::new(Phase::Idle),
            in_flight: AtomicUsize::new(0),
            load: Load::default(),
            health: Health::default(),
            is_only: AtomicBool::new(false),
            meters,
        }
    }

    /// The connection, made now where there is none. An attempt that was begun is finished, whoever waits for it.
    pub(crate) async fn connection(self: &Arc<Self>) -> Result<Connection, Raised> {
        let mut dialled = match &mut *self.phase() {
            Phase::Ready(connection) if !connection.has_ended() => return Ok(connection.clone()),
            // The task that dials ends without a word only where its runtime did.
            Phase::Connecting(dialled) if dialled.has_changed().is_ok() => dialled.clone(),
            phase => {
                let (sender, dialled) = watch::channel(None);
                *phase = Phase::Connecting(dialled.clone());
                tokio::spawn(self.clone().connect(sender));
                dialled
            }
        };
        let dialled = dialled.wait_for(Option::is_some).await.ok().and_then(|dialled| dialled.clone());
        // It ended while this waited.
        let dialled = dialled.unwrap_or_else(|| Err(Arc::new(ConnectError::Closed)));
        dialled.map_err(|source| Raised::Unreachable { endpoint: self.name.clone(), source })
    }

    async fn connect(self: Arc<Self>, tell: watch::Sender<Dialled>) {
        let dialled = self.dial.connect().await.map_err(Arc::new);
        let (phase, level) = match &dialled {
            Ok(connection) => (Phase::Ready(connection.clone()), None),
            Err(error) => (Phase::Idle, Some(error)),
        };
        *self.phase() = phase;
        if let Some(error) = level {
            tracing::debug!(endpoint = %self.name, %error, "cannot connect");
            self.eject("it cannot be connected to");
        }
        tell.send_replace(Some(dialled));
    }

    /// Lets go of `connection`: calls on it go on, and the next one is sent on a new one.
    pub(crate) fn retire(&self, connection: &Connection) {
        let mut phase = self.phase();
        if matches!(&*phase, Phase::Ready(current) if current.is(connection)) {
            *phase = Phase::Idle;
        }
    }

    pub(crate) fn is_ejected(&self) -> bool {
        self.health.is_ejected()
    }

    /// The endpoint answered `call`, whatever it said. Where it is out of use, only an answer on its newest connection
    /// brings it back: a server that is leaving answers for long on others, and takes no new ones.
    pub(crate) fn answered(&self, call: Option<&Waiting>) {
        let is_late = |call| !matches!(&*self.phase(), Phase::Ready(newest) if newest.carries(call));
        if self.is_ejected() && call.is_none_or(is_late) {
            return;
        }
        if self.health.answered() {
            self.returned();
        }
    }

    /// The endpoint failed an attempt; too many in a row take it out of use.
    pub(crate) fn failed(&self) {
        if self.health.failed() {
            self.eject("it failed too often");
        }
    }

    /// Says whether its target has no other: such a one is never out of use.
    pub(crate) fn set_only(&self, is_only: bool) {
        self.is_only.store(is_only, Ordering::Relaxed);
        if is_only && self.health.bring_back() {
            self.returned();
        }
    }

    fn eject(&self, why: &str) {
        if self.is_only.load(Ordering::Relaxed) {
            return;
        }
        if let Some(wait) = self.health.eject(Instant::now()) {
            tracing::info!(endpoint = %self.name, ?wait, "an endpoint is out of use while there are others: {why}");
            self.meters.ejections.inc();
            self.meters.ejected.inc();
        }
    }

    fn returned(&self) {
        tracing::info!(endpoint = %self.name, "an endpoint is in use again");
        self.meters.ejected.dec();
    }

    /// Looks after the endpoint: asks it whether it is there, where that is in doubt or where it is to be used again.
    pub(crate) fn look_after(self: &Arc<Self>, health_service: &Arc<str>) {
        let now = Instant::now();
        if self.health.is_due(now) {
            tokio::spawn(self.clone().bring_back(health_service.clone()));
        } else if !self.is_ejected()
            && let Phase::Ready(connection) = &*self.phase()
            && connection.silent_for().is_some_and(|silent| silent > SILENCE_MAX)
            && self.health.begin_question()
        {
            tokio::spawn(self.clone().question(connection.clone(), health_service.clone()));
        }
    }

    /// An endpoint that was ejected is used again when it has shown that it is there and serving.
    async fn bring_back(self: Arc<Self>, health_service: Arc<str>) {
        let asked = match self.connection().await {
            Ok(connection) => probe::ask(&connection, &self.dial, &health_service).await,
            Err(_) => false,
        };
        if asked {
            // A late answer may have brought it back before.
            if self.health.bring_back() {
                self.returned();
            }
        } else if let Some(wait) = self.health.stay_away(Instant::now()) {
            tracing::debug!(endpoint = %self.name, ?wait, "an endpoint is still not there");
        }
    }

    /// An endpoint that has calls and says nothing may be slow, or gone without a word.
    async fn question(self: Arc<Self>, connection: Connection, health_service: Arc<str>) {
        let there = probe::is_there(&connection, &self.dial, &health_service).await;
        self.health.end_question();
        if !there {
            // What it still has in flight may yet be answered; nothing more is sent there.
            self.retire(&connection);
            self.eject("it does not answer");
        }
    }

    /// Attempts in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn begin_attempt(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.meters.in_flight.inc();
    }

    pub(crate) fn end_attempt(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.meters.in_flight.dec();
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        // Nothing panics while the lock is held.
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
