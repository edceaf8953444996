//! The limit of connections per client address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::metrics::{CloseReason, ConnectionMetrics};
use crate::load_limits::{Config, client_address};

/// Counts open connections per address. Cheap to clone: clones share the counts.
#[derive(Clone)]
pub(crate) struct ConnectionLimiter(Arc<Inner>);

struct Inner {
    per_address_max: usize,
    proxies: client_address::TrustedProxies,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    metrics: ConnectionMetrics,
}

/// One counted connection; dropping it ends the count.
pub(super) struct ConnectionGuard {
    limiter: ConnectionLimiter,
    /// The key that it counts for; `None` for a trusted proxy.
    address: Option<IpAddr>,
}

impl ConnectionLimiter {
    pub(crate) fn new(config: &Config, metrics: ConnectionMetrics) -> Self {
        Self(Arc::new(Inner {
            per_address_max: config.connections_per_address_max,
            proxies: config.proxies.clone(),
            by_address: Mutex::default(),
            metrics,
        }))
    }

    /// The number of open connections.
    pub(crate) fn open(&self) -> i64 {
        self.0.metrics.open.get()
    }

    pub(super) fn metrics(&self) -> &ConnectionMetrics {
        &self.0.metrics
    }

    /// Counts a connection from `peer`; `None` where its address has reached the limit.
    pub(super) fn try_acquire(&self, peer: IpAddr) -> Option<ConnectionGuard> {
        let address = (!self.0.proxies.trusts(peer)).then(|| client_address::client_key(peer));
        if let Some(address) = address {
            let mut by_address = self.by_address();
            let count = by_address.entry(address).or_default();
            if *count >= self.0.per_address_max {
                tracing::debug!(%peer, "connection limit reached");
                self.0.metrics.count_close(CloseReason::Address);
                return None;
            }
            *count += 1;
        }
        self.0.metrics.open.inc();
        Some(ConnectionGuard { limiter: self.clone(), address })
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.limiter.0.metrics.open.dec();
        let Some(address) = self.address else { return };
        let mut by_address = self.limiter.by_address();
        if let Some(count) = by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use service_kit::metrics::Registry;

    use super::*;

    #[test]
    fn an_address_is_limited_and_a_trusted_proxy_is_not() {
        let config = Config::of(&[("CONNECTIONS_PER_ADDRESS_MAX", "2"), ("TRUSTED_PROXIES", "10.0.0.1")]);
        let limiter = ConnectionLimiter::new(&config, ConnectionMetrics::register(&mut Registry::default()));
        let from = |address: &str| limiter.try_acquire(address.parse().unwrap());
        let mut guards = vec![from("2001:db8::1").unwrap(), from("2001:db8::2").unwrap()];
        assert!(from("2001:db8::3").is_none() && from("2001:db8::1").is_none());
        guards.push(from("2001:db8:0:1::1").unwrap());
        guards.extend((0..5).map(|_| from("::ffff:10.0.0.1").unwrap()));
        assert_eq!(limiter.metrics().open.get(), 8);
        guards.remove(0);
        guards.push(from("2001:db8::3").unwrap());
        drop(guards);
        assert!(limiter.by_address().is_empty());
        assert_eq!(limiter.metrics().open.get(), 0);
    }
}
