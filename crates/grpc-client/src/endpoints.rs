//! The endpoints of a target: created, kept up to date by name resolution, and checked periodically.

use std::{
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    connection::{CONNECT_TIMEOUT, DialTarget, Dialer},
    endpoint::Endpoint,
    failure::TransportError,
    metrics::Metrics,
    resolve::Resolve,
    target::{Address, Addresses, Target},
    tls::ClientTls,
};

/// How often the name of a `dns:` target is resolved.
pub const RESOLVE_INTERVAL: Duration = Duration::from_secs(5);
/// The shortest pause between two resolutions, after a failed connection.
const RESOLVE_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// How long one resolution may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of one name that are used; further ones are ignored.
const RESOLVED_ADDRESSES_MAX: usize = 1024;
/// How often endpoints are checked.
const TICK_INTERVAL: Duration = Duration::from_millis(100);

pub(crate) type EndpointList = Arc<[Arc<Endpoint>]>;

/// Creates the endpoints of a target.
#[derive(Debug)]
pub(crate) struct EndpointFactory {
    pub(crate) target: Arc<str>,
    pub(crate) tls: Option<ClientTls>,
    /// Whether an address without a scheme uses TLS.
    pub(crate) tls_by_default: bool,
    pub(crate) metrics: Metrics,
    pub(crate) health_service: Arc<str>,
}

#[derive(Debug)]
pub(crate) struct Endpoints {
    factory: EndpointFactory,
    list: RwLock<EndpointList>,
    /// Counts finished resolutions, failed ones included.
    resolutions: watch::Sender<u64>,
    resolve_soon: Arc<Notify>,
}

impl Endpoints {
    /// Creates the endpoints of `target`, and starts the tasks that resolve its name and check the endpoints.
    /// The tasks run in the current runtime and end when the endpoints are dropped.
    pub(crate) fn start(target: &Target, factory: EndpointFactory, resolver: Arc<dyn Resolve>) -> Arc<Self> {
        let list: EndpointList = match &target.addresses {
            Addresses::List(addresses) => addresses.iter().map(|address| factory.listed(address)).collect(),
            Addresses::Dns(_) => Arc::new([]),
        };
        mark_only_endpoint(&list);
        let needs_checks = list.len() != 1;
        let (list, resolutions) = (RwLock::new(list), watch::Sender::new(0));
        let endpoints = Arc::new(Self { factory, list, resolutions, resolve_soon: Arc::default() });
        if let Addresses::Dns(name) = &target.addresses {
            tokio::spawn(resolve_periodically(Arc::downgrade(&endpoints), name.clone(), resolver));
        }
        // A single endpoint stays in use even if its health check fails.
        if needs_checks {
            tokio::spawn(check_periodically(Arc::downgrade(&endpoints)));
        }
        endpoints
    }

    pub(crate) fn list(&self) -> EndpointList {
        // No code panics while it holds the lock.
        self.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The endpoints. If none is known, waits for one resolution, at most [`CONNECT_TIMEOUT`].
    pub(crate) async fn wait_until_known(&self) -> Result<EndpointList, TransportError> {
        let list = self.list();
        if !list.is_empty() {
            return Ok(list);
        }
        let mut resolutions = self.resolutions.subscribe();
        // A resolution may have finished before the subscription.
        let list = self.list();
        if !list.is_empty() {
            return Ok(list);
        }
        self.resolve_soon();
        let resolved = tokio::time::timeout(CONNECT_TIMEOUT, resolutions.changed()).await;
        let list = self.list();
        if list.is_empty() {
            let timed_out = resolved.is_err();
            tracing::debug!(target = %self.factory.target, timed_out, "target has no address");
            return Err(TransportError::NoAddress(self.factory.target.clone()));
        }
        Ok(list)
    }

    pub(crate) fn target(&self) -> &Arc<str> {
        &self.factory.target
    }

    /// Requests a resolution before the usual time, because a connection has failed.
    pub(crate) fn resolve_soon(&self) {
        self.resolve_soon.notify_one();
    }

    /// Replaces the list by `addresses`. An endpoint whose address stays is kept, with its connection.
    fn replace(&self, name: &Address, addresses: &[SocketAddr]) {
        let known = self.list();
        let used = addresses.iter().take(RESOLVED_ADDRESSES_MAX).enumerate();
        let distinct = used.filter(|(index, address)| !addresses[..*index].contains(address));
        let list: EndpointList = distinct
            .map(|(_, address)| {
                let target = DialTarget::Address(*address);
                let same = known.iter().find(|endpoint| endpoint.dialer.target == target);
                same.cloned().unwrap_or_else(|| self.factory.create(address.to_string().into(), name, target))
            })
            .collect();
        let unchanged =
            list.len() == known.len() && list.iter().all(|new| known.iter().any(|old| Arc::ptr_eq(new, old)));
        if !unchanged {
            let target = &self.factory.target;
            tracing::info!(%target, ?addresses, "DNS resolution returned new addresses");
            mark_only_endpoint(&list);
            *self.list.write().unwrap_or_else(PoisonError::into_inner) = list;
        }
    }
}

impl Drop for Endpoints {
    /// Wakes the resolution task, which then ends.
    fn drop(&mut self) {
        self.resolve_soon();
    }
}

impl EndpointFactory {
    fn listed(&self, address: &Address) -> Arc<Endpoint> {
        let target = DialTarget::Host(address.host().to_owned(), address.port());
        self.create(address.authority.as_str().into(), address, target)
    }

    fn create(&self, name: Arc<str>, address: &Address, target: DialTarget) -> Arc<Endpoint> {
        let tls = self.tls.clone().filter(|_| address.is_tls(self.tls_by_default));
        let server_name = address.host().to_owned();
        let dialer = Dialer { target, authority: address.authority.clone(), server_name, tls };
        let meters = self.metrics.endpoint(&self.target, &name);
        Arc::new(Endpoint::new(name, dialer, meters))
    }
}

/// Records in each endpoint whether it is the only one: the only endpoint is never ejected.
fn mark_only_endpoint(list: &EndpointList) {
    list.iter().for_each(|endpoint| endpoint.set_only(list.len() == 1));
}

/// Resolves `name` until the endpoints are dropped.
async fn resolve_periodically(endpoints: Weak<Endpoints>, name: Address, resolver: Arc<dyn Resolve>) {
    let mut is_failing = false;
    loop {
        let started = Instant::now();
        let result = tokio::time::timeout(RESOLVE_TIMEOUT, resolver.resolve(name.host(), name.port())).await;
        let Some(live) = endpoints.upgrade() else { return };
        let error = match result {
            Ok(Ok(addresses)) if !addresses.is_empty() => {
                live.replace(&name, &addresses);
                None
            }
            // The known addresses stay in use: a failing name server must not take a service down.
            Ok(Ok(_)) => Some("the name has no address".to_owned()),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no response within {RESOLVE_TIMEOUT:?}")),
        };
        if let Some(error) = error.as_ref().filter(|_| !is_failing) {
            let kept = live.list().len();
            tracing::warn!(host = name.host(), error, "DNS resolution failed, keeping {kept} addresses");
        }
        is_failing = error.is_some();
        live.resolutions.send_modify(|finished| *finished += 1);
        let resolve_soon = live.resolve_soon.clone();
        drop(live);
        if tokio::time::timeout(RESOLVE_INTERVAL, resolve_soon.notified()).await.is_ok()
            && endpoints.strong_count() > 0
        {
            tokio::time::sleep_until(started + RESOLVE_INTERVAL_MIN).await;
        }
        if endpoints.strong_count() == 0 {
            return;
        }
    }
}

/// Checks every endpoint each [`TICK_INTERVAL`], until the endpoints are dropped.
async fn check_periodically(endpoints: Weak<Endpoints>) {
    loop {
        tokio::time::sleep(TICK_INTERVAL).await;
        let Some(endpoints) = endpoints.upgrade() else { return };
        let list = endpoints.list();
        for endpoint in list.iter().filter(|_| list.len() > 1) {
            endpoint.tick(&endpoints.factory.health_service);
        }
    }
}
