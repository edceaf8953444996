//! The endpoints of a target: found, kept up to date, looked after.

use std::{
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    connection::{CONNECT_TIMEOUT, Dial, Whereto},
    endpoint::Endpoint,
    failure::Raised,
    metrics::Metrics,
    resolve::Resolve,
    target::{Place, Places, Target},
    tls::ClientTls,
};

/// How often a name is asked for again.
pub const RESOLVE_INTERVAL: Duration = Duration::from_secs(5);
/// How soon a name is asked for again after a failure, at the earliest.
const RESOLVE_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// How long an answer may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of one name that are used.
const ADDRESSES_MAX: usize = 1024;
/// How often endpoints are looked after.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

pub(crate) type List = Arc<[Arc<Endpoint>]>;

/// What a target's endpoints are made with.
#[derive(Debug)]
pub(crate) struct Making {
    pub(crate) target: Arc<str>,
    pub(crate) tls: Option<ClientTls>,
    /// Whether TLS is spoken where the target says nothing of it.
    pub(crate) tls_where_unsaid: bool,
    pub(crate) metrics: Metrics,
    pub(crate) health_service: Arc<str>,
}

#[derive(Debug)]
pub(crate) struct Endpoints {
    making: Making,
    list: RwLock<List>,
    /// Counts the answers about a name, failures too.
    answers: watch::Sender<u64>,
    ask_soon: Arc<Notify>,
}

impl Endpoints {
    /// The endpoints of `target`. What has to be done for them goes on until they are dropped, in tasks of the runtime
    /// that this is called in.
    pub(crate) fn start(target: &Target, making: Making, resolver: Arc<dyn Resolve>) -> Arc<Self> {
        let listed: List = match &target.places {
            Places::Listed(places) => places.iter().map(|place| making.listed(place)).collect(),
            Places::Dns(_) => Arc::new([]),
        };
        tell_whether_only(&listed);
        let looked_after = listed.len() != 1;
        let (list, answers) = (RwLock::new(listed), watch::Sender::new(0));
        let endpoints = Arc::new(Self { making, list, answers, ask_soon: Arc::default() });
        if let Places::Dns(place) = &target.places {
            tokio::spawn(follow(Arc::downgrade(&endpoints), place.clone(), resolver));
        }
        // Of a single one nothing is asked: it is used whatever the answer.
        if looked_after {
            tokio::spawn(look_after(Arc::downgrade(&endpoints)));
        }
        endpoints
    }

    pub(crate) fn list(&self) -> List {
        // Nothing panics while the lock is held.
        self.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The endpoints, once there are any; waits for one answer about a name, and not for long.
    pub(crate) async fn some(&self) -> Result<List, Raised> {
        let list = self.list();
        if !list.is_empty() {
            return Ok(list);
        }
        let mut answers = self.answers.subscribe();
        // An answer may have come since.
        let list = self.list();
        if !list.is_empty() {
            return Ok(list);
        }
        self.ask_soon();
        let answered = tokio::time::timeout(CONNECT_TIMEOUT, answers.changed()).await;
        let list = self.list();
        if list.is_empty() {
            tracing::debug!(target = %self.making.target, in_time = answered.is_ok(), "no address is known");
            return Err(Raised::NoEndpoint(self.making.target.clone()));
        }
        Ok(list)
    }

    pub(crate) fn target(&self) -> &Arc<str> {
        &self.making.target
    }

    /// Has a name asked for again soon, since one of its addresses has failed.
    pub(crate) fn ask_soon(&self) {
        self.ask_soon.notify_one();
    }

    fn replace(&self, place: &Place, addresses: &[std::net::SocketAddr]) {
        let known = self.list();
        let found = addresses.iter().take(ADDRESSES_MAX).enumerate();
        let found = found.filter(|(index, address)| !addresses[..*index].contains(address));
        let list: List = found
            .map(|(_, address)| {
                let whereto = Whereto::Address(*address);
                let same = known.iter().find(|endpoint| endpoint.dial.whereto == whereto);
                same.cloned()
                    .unwrap_or_else(|| self.making.endpoint(address.to_string().into(), place, whereto))
            })
            .collect();
        let unchanged =
            list.len() == known.len() && list.iter().all(|one| known.iter().any(|old| Arc::ptr_eq(one, old)));
        if !unchanged {
            tracing::info!(target = %self.making.target, addresses = ?addresses, "the addresses have changed");
            tell_whether_only(&list);
            *self.list.write().unwrap_or_else(PoisonError::into_inner) = list;
        }
    }
}

impl Drop for Endpoints {
    /// Wakes whoever asks for the name, to ask no more.
    fn drop(&mut self) {
        self.ask_soon();
    }
}

impl Making {
    fn listed(&self, place: &Place) -> Arc<Endpoint> {
        let whereto = Whereto::Host(place.host().to_owned(), place.port());
        self.endpoint(place.authority.as_str().into(), place, whereto)
    }

    fn endpoint(&self, name: Arc<str>, place: &Place, whereto: Whereto) -> Arc<Endpoint> {
        let tls = self.tls.clone().filter(|_| place.is_tls(self.tls_where_unsaid));
        let server_name = place.host().to_owned();
        let dial = Dial { whereto, authority: place.authority.clone(), server_name, tls };
        let meters = self.metrics.endpoint(&self.target, &name);
        Arc::new(Endpoint::new(name, dial, meters))
    }
}

fn tell_whether_only(list: &List) {
    list.iter().for_each(|endpoint| endpoint.set_only(list.len() == 1));
}

/// Asks for a name's addresses again and again, until the endpoints are dropped.
async fn follow(followed: Weak<Endpoints>, place: Place, resolver: Arc<dyn Resolve>) {
    let mut is_known_to_fail = false;
    loop {
        let asked = Instant::now();
        let answer =
            tokio::time::timeout(RESOLVE_TIMEOUT, resolver.resolve(place.host(), place.port())).await;
        let Some(endpoints) = followed.upgrade() else { return };
        let failure = match answer {
            Ok(Ok(addresses)) if !addresses.is_empty() => {
                endpoints.replace(&place, &addresses);
                None
            }
            // A name server that is ill must not take a service down: what was known goes on.
            Ok(Ok(_)) => Some("it has no address".to_owned()),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {RESOLVE_TIMEOUT:?}")),
        };
        if let Some(why) = failure.as_ref().filter(|_| !is_known_to_fail) {
            tracing::warn!(host = place.host(), why, "a name is not resolved; what was known is kept");
        }
        is_known_to_fail = failure.is_some();
        endpoints.answers.send_modify(|answers| *answers += 1);
        let ask_soon = endpoints.ask_soon.clone();
        drop(endpoints);
        if tokio::time::timeout(RESOLVE_INTERVAL, ask_soon.notified()).await.is_ok()
            && followed.strong_count() > 0
        {
            tokio::time::sleep_until(asked + RESOLVE_INTERVAL_MIN).await;
        }
        if followed.strong_count() == 0 {
            return;
        }
    }
}

/// Looks after every endpoint again and again.
async fn look_after(endpoints: Weak<Endpoints>) {
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let Some(endpoints) = endpoints.upgrade() else { return };
        let list = endpoints.list();
        for endpoint in list.iter().filter(|_| list.len() > 1) {
            endpoint.look_after(&endpoints.making.health_service);
        }
    }
}
