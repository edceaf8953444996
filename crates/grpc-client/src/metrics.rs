//! What a channel counts, per endpoint and method; named as gRFC A66 names them, where it does.
//!
//! | metric | labels | what |
//! |---|---|---|
//! | `grpc_client_attempt_started_total` | grpc_target, endpoint, grpc_method | attempts begun |
//! | `grpc_client_attempt_duration_seconds` | grpc_target, endpoint, grpc_method, grpc_status | from an attempt's beginning to its status; `CANCELLED` where the caller left first |
//! | `grpc_client_call_retries_total` | grpc_target, endpoint, grpc_method | attempts made by a retry policy |
//! | `grpc_client_call_transparent_retries_total` | grpc_target, endpoint, grpc_method | attempts made since the one before provably never ran |
//! | `grpc_client_attempts_in_flight` | grpc_target, endpoint | attempts begun and not ended |
//! | `grpc_client_endpoint_ejections_total` | grpc_target, endpoint | times that an endpoint was taken out of use |
//! | `grpc_client_endpoint_ejected` | grpc_target, endpoint | 1 while it is out of use; the sum over the channels that count here |

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

/// Seconds; from a tenth of a millisecond to ten seconds.
const LATENCY_BUCKETS: [f64; 12] = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
/// Methods that one endpoint counts apart; a generated client has far fewer.
const METHODS_MAX: usize = 256;

/// The metrics of all channels of a process, or of some. A clone counts in the same place.
#[derive(Debug, Clone)]
pub struct Metrics {
    started: Family<Method, Counter>,
    retries: Family<Method, Counter>,
    transparent_retries: Family<Method, Counter>,
    seconds: Family<Ended, Histogram>,
    in_flight: Family<Place, Gauge>,
    ejections: Family<Place, Counter>,
    ejected: Family<Place, Gauge>,
    places: Arc<Mutex<HashMap<Place, Weak<EndpointMeters>>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Place {
    grpc_target: Arc<str>,
    endpoint: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    grpc_target: Arc<str>,
    endpoint: Arc<str>,
    grpc_method: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    grpc_target: Arc<str>,
    endpoint: Arc<str>,
    grpc_method: Arc<str>,
    grpc_status: &'static str,
}

impl Default for Metrics {
    /// Metrics that nobody reads.
    fn default() -> Self {
        Self {
            started: Family::default(),
            retries: Family::default(),
            transparent_retries: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS)),
            in_flight: Family::default(),
            ejections: Family::default(),
            ejected: Family::default(),
            places: Arc::default(),
        }
    }
}

impl Metrics {
    /// Registers them under their Prometheus names.
    pub fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        registry.register("grpc_client_attempt_started", "Attempts begun", all.started.clone());
        registry.register("grpc_client_call_retries", "Attempts made by a retry policy", all.retries.clone());
        registry.register(
            "grpc_client_call_transparent_retries",
            "Attempts made since the one before provably never ran",
            all.transparent_retries.clone(),
        );
        registry.register(
            "grpc_client_attempt_duration_seconds",
            "Time from the beginning of an attempt to its status",
            all.seconds.clone(),
        );
        registry.register(
            "grpc_client_attempts_in_flight",
            "Attempts begun and not ended",
            all.in_flight.clone(),
        );
        registry.register(
            "grpc_client_endpoint_ejections",
            "Times that an endpoint was taken out of use",
            all.ejections.clone(),
        );
        registry.register(
            "grpc_client_endpoint_ejected",
            "Whether an endpoint is out of use",
            all.ejected.clone(),
        );
        all
    }

    /// What one endpoint of `target` counts. Another channel to the same target counts in the same place, and so does an
    /// endpoint that comes back while the last calls to what it was are still under way.
    pub(crate) fn endpoint(&self, target: &Arc<str>, endpoint: &Arc<str>) -> Arc<EndpointMeters> {
        let place = Place { grpc_target: target.clone(), endpoint: endpoint.clone() };
        let mut places = self.places();
        if let Some(known) = places.get(&place).and_then(Weak::upgrade) {
            return known;
        }
        let meters = Arc::new(EndpointMeters {
            in_flight: self.in_flight.get_or_create_owned(&place),
            ejections: self.ejections.get_or_create_owned(&place),
            ejected: self.ejected.get_or_create_owned(&place),
            place: place.clone(),
            methods: RwLock::default(),
            all: self.clone(),
        });
        places.insert(place, Arc::downgrade(&meters));
        meters
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Place, Weak<EndpointMeters>>> {
        // Nothing panics while the lock is held.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The metrics of one endpoint; what they hold is forgotten with the last that counts there.
#[derive(Debug)]
pub(crate) struct EndpointMeters {
    place: Place,
    all: Metrics,
    methods: RwLock<HashMap<String, Arc<MethodMeters>>>,
    pub(crate) in_flight: Gauge,
    pub(crate) ejections: Counter,
    pub(crate) ejected: Gauge,
}

/// The metrics of one method at one endpoint.
#[derive(Debug)]
pub(crate) struct MethodMeters {
    labels: Method,
    all: Metrics,
    pub(crate) started: Counter,
    pub(crate) retries: Counter,
    pub(crate) transparent_retries: Counter,
    seconds: [OnceLock<Histogram>; 17],
}

impl EndpointMeters {
    /// The meters of the method that `path` (`/service/method`) calls.
    pub(crate) fn method(&self, path: &str) -> Arc<MethodMeters> {
        // Nothing panics while the lock is held.
        let known = self.methods.read().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        known.unwrap_or_else(|| {
            let mut methods = self.methods.write().unwrap_or_else(PoisonError::into_inner);
            let name = if methods.len() < METHODS_MAX { path } else { "/other" };
            methods.entry(name.to_owned()).or_insert_with(|| Arc::new(self.make(name))).clone()
        })
    }

    fn make(&self, path: &str) -> MethodMeters {
        let Place { grpc_target, endpoint } = self.place.clone();
        let labels = Method { grpc_target, endpoint, grpc_method: path.trim_start_matches('/').into() };
        MethodMeters {
            started: self.all.started.get_or_create_owned(&labels),
            retries: self.all.retries.get_or_create_owned(&labels),
            transparent_retries: self.all.transparent_retries.get_or_create_owned(&labels),
            seconds: std::array::from_fn(|_| OnceLock::new()),
            labels,
            all: self.all.clone(),
        }
    }
}

impl Drop for EndpointMeters {
    /// Addresses come and go: those that went would be shown for ever.
    fn drop(&mut self) {
        let mut places = self.all.places();
        // These may have been followed by others meanwhile, which count on.
        if places.get(&self.place).is_some_and(|known| known.strong_count() > 0) {
            return;
        }
        places.remove(&self.place);
        let methods = self.methods.get_mut().unwrap_or_else(PoisonError::into_inner);
        for method in methods.values() {
            method.forget();
        }
        self.all.in_flight.remove(&self.place);
        self.all.ejections.remove(&self.place);
        self.all.ejected.remove(&self.place);
    }
}

impl MethodMeters {
    pub(crate) fn ended(&self, code: Code, took: Duration) {
        let Some(slot) = usize::try_from(i32::from(code)).ok().and_then(|number| self.seconds.get(number))
        else {
            return;
        };
        let seconds = slot.get_or_init(|| self.all.seconds.get_or_create_owned(&self.labels_of(code)));
        seconds.observe(took.as_secs_f64());
    }

    fn labels_of(&self, code: Code) -> Ended {
        let Method { grpc_target, endpoint, grpc_method } = self.labels.clone();
        Ended { grpc_target, endpoint, grpc_method, grpc_status: crate::service_config::code_name(code) }
    }

    fn forget(&self) {
        self.all.started.remove(&self.labels);
        self.all.retries.remove(&self.labels);
        self.all.transparent_retries.remove(&self.labels);
        for number in 0..17 {
            self.all.seconds.remove(&self.labels_of(Code::from(number)));
        }
    }
}
