//! Metrics of a channel, per endpoint and method. Names follow gRFC A66 where it has one.
//!
//! | metric | labels | meaning |
//! |---|---|---|
//! | `grpc_client_attempt_started_total` | grpc_target, endpoint, grpc_method | attempts started |
//! | `grpc_client_attempt_duration_seconds` | grpc_target, endpoint, grpc_method, grpc_status | time from the start of an attempt to its status; `CANCELLED` if the client dropped the call |
//! | `grpc_client_call_retries_total` | grpc_target, endpoint, grpc_method | retries by a retry policy (gRFC A6) |
//! | `grpc_client_call_transparent_retries_total` | grpc_target, endpoint, grpc_method | transparent retries (gRFC A6): the previous attempt provably never ran |
//! | `grpc_client_attempts_in_flight` | grpc_target, endpoint | attempts that have started and not ended |
//! | `grpc_client_endpoint_ejections_total` | grpc_target, endpoint | ejections of an endpoint |
//! | `grpc_client_endpoint_ejected` | grpc_target, endpoint | 1 while the endpoint is ejected; the sum over all channels with these metrics |

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak},
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tonic::Code;

use crate::code::code_name;

/// Upper bounds in seconds.
const LATENCY_BUCKETS: [f64; 12] = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
/// Methods with series of their own at one endpoint; further ones share the series `other`.
const METHODS_MAX: usize = 256;

/// The metrics of one or more channels. A clone shares the same counters.
#[derive(Debug, Clone)]
pub struct Metrics {
    started: Family<MethodLabels, Counter>,
    retries: Family<MethodLabels, Counter>,
    transparent_retries: Family<MethodLabels, Counter>,
    seconds: Family<AttemptLabels, Histogram>,
    in_flight: Family<EndpointLabels, Gauge>,
    ejections: Family<EndpointLabels, Counter>,
    ejected: Family<EndpointLabels, Gauge>,
    endpoints: Arc<Mutex<HashMap<EndpointLabels, Weak<EndpointMeters>>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabels {
    grpc_target: Arc<str>,
    endpoint: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    grpc_target: Arc<str>,
    endpoint: Arc<str>,
    grpc_method: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    grpc_target: Arc<str>,
    endpoint: Arc<str>,
    grpc_method: Arc<str>,
    grpc_status: &'static str,
}

impl Default for Metrics {
    /// Metrics without a registry.
    fn default() -> Self {
        Self {
            started: Family::default(),
            retries: Family::default(),
            transparent_retries: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS)),
            in_flight: Family::default(),
            ejections: Family::default(),
            ejected: Family::default(),
            endpoints: Arc::default(),
        }
    }
}

impl Metrics {
    /// Registers the metrics in `registry`, under the names of gRFC A66 where it has one.
    ///
    /// Call it once per registry: a second call would export every metric twice.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("grpc_client_attempt_started", "Attempts started", metrics.started.clone());
        registry.register("grpc_client_call_retries", "Retries by a retry policy", metrics.retries.clone());
        registry.register(
            "grpc_client_call_transparent_retries",
            "Retries of attempts that provably never ran",
            metrics.transparent_retries.clone(),
        );
        registry.register(
            "grpc_client_attempt_duration_seconds",
            "Time from the start of an attempt to its status",
            metrics.seconds.clone(),
        );
        registry.register(
            "grpc_client_attempts_in_flight",
            "Attempts started and not ended",
            metrics.in_flight.clone(),
        );
        registry.register(
            "grpc_client_endpoint_ejections",
            "Ejections of an endpoint",
            metrics.ejections.clone(),
        );
        registry.register(
            "grpc_client_endpoint_ejected",
            "1 while an endpoint is ejected",
            metrics.ejected.clone(),
        );
        metrics
    }

    /// The meters of one endpoint of `target`. Shared by all channels to the target, and by an endpoint that
    /// is added again while calls to its predecessor are in flight.
    pub(crate) fn endpoint(&self, target: &Arc<str>, endpoint: &Arc<str>) -> Arc<EndpointMeters> {
        let labels = EndpointLabels { grpc_target: target.clone(), endpoint: endpoint.clone() };
        let mut endpoints = self.endpoints();
        if let Some(known) = endpoints.get(&labels).and_then(Weak::upgrade) {
            return known;
        }
        let meters = Arc::new(EndpointMeters {
            in_flight: self.in_flight.get_or_create_owned(&labels),
            ejections: self.ejections.get_or_create_owned(&labels),
            ejected: self.ejected.get_or_create_owned(&labels),
            labels: labels.clone(),
            methods: RwLock::default(),
            metrics: self.clone(),
        });
        endpoints.insert(labels, Arc::downgrade(&meters));
        meters
    }

    fn endpoints(&self) -> MutexGuard<'_, HashMap<EndpointLabels, Weak<EndpointMeters>>> {
        // No code panics while it holds the lock.
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The metrics of one endpoint. Its series are removed when the last user drops this.
#[derive(Debug)]
pub(crate) struct EndpointMeters {
    labels: EndpointLabels,
    metrics: Metrics,
    methods: RwLock<HashMap<String, Arc<MethodMeters>>>,
    pub(crate) in_flight: Gauge,
    pub(crate) ejections: Counter,
    pub(crate) ejected: Gauge,
}

/// The metrics of one method at one endpoint.
#[derive(Debug)]
pub(crate) struct MethodMeters {
    labels: MethodLabels,
    metrics: Metrics,
    pub(crate) started: Counter,
    pub(crate) retries: Counter,
    pub(crate) transparent_retries: Counter,
    seconds: [OnceLock<Histogram>; 17],
}

impl EndpointMeters {
    /// The meters of the method at `path` (`/service/method`).
    pub(crate) fn method(&self, path: &str) -> Arc<MethodMeters> {
        // No code panics while it holds the lock.
        let known = self.methods.read().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        known.unwrap_or_else(|| {
            let mut methods = self.methods.write().unwrap_or_else(PoisonError::into_inner);
            let name = if methods.len() < METHODS_MAX { path } else { "/other" };
            methods.entry(name.to_owned()).or_insert_with(|| Arc::new(self.create(name))).clone()
        })
    }

    fn create(&self, path: &str) -> MethodMeters {
        let EndpointLabels { grpc_target, endpoint } = self.labels.clone();
        let labels = MethodLabels { grpc_target, endpoint, grpc_method: path.trim_start_matches('/').into() };
        MethodMeters {
            started: self.metrics.started.get_or_create_owned(&labels),
            retries: self.metrics.retries.get_or_create_owned(&labels),
            transparent_retries: self.metrics.transparent_retries.get_or_create_owned(&labels),
            seconds: std::array::from_fn(|_| OnceLock::new()),
            labels,
            metrics: self.metrics.clone(),
        }
    }
}

impl Drop for EndpointMeters {
    /// Removes the series: otherwise those of removed addresses would stay for ever.
    fn drop(&mut self) {
        let mut endpoints = self.metrics.endpoints();
        // New meters for the same endpoint may exist by now, and still use the series.
        if endpoints.get(&self.labels).is_some_and(|known| known.strong_count() > 0) {
            return;
        }
        endpoints.remove(&self.labels);
        let methods = self.methods.get_mut().unwrap_or_else(PoisonError::into_inner);
        for method in methods.values() {
            method.remove_series();
        }
        self.metrics.in_flight.remove(&self.labels);
        self.metrics.ejections.remove(&self.labels);
        self.metrics.ejected.remove(&self.labels);
    }
}

impl MethodMeters {
    pub(crate) fn record(&self, code: Code, duration: Duration) {
        let Some(slot) = usize::try_from(i32::from(code)).ok().and_then(|number| self.seconds.get(number))
        else {
            return;
        };
        let seconds = slot.get_or_init(|| self.metrics.seconds.get_or_create_owned(&self.labels_of(code)));
        seconds.observe(duration.as_secs_f64());
    }

    fn labels_of(&self, code: Code) -> AttemptLabels {
        let MethodLabels { grpc_target, endpoint, grpc_method } = self.labels.clone();
        AttemptLabels { grpc_target, endpoint, grpc_method, grpc_status: code_name(code) }
    }

    fn remove_series(&self) {
        self.metrics.started.remove(&self.labels);
        self.metrics.retries.remove(&self.labels);
        self.metrics.transparent_retries.remove(&self.labels);
        for number in 0..17 {
            self.metrics.seconds.remove(&self.labels_of(Code::from(number)));
        }
    }
}
