//! Metrics of the database client, named by the OpenTelemetry semantic conventions.
//!
//! | metric | meaning |
//! |---|---|
//! | `db_client_operation_duration_seconds` | duration of a transaction, with the wait for a connection |
//! | `db_client_connection_count` | connections of the pool, by state (`used`, `idle`); without SQLite's writer |
//! | `db_client_connection_max` | limit of the pool |
//! | `db_client_connection_pending_requests` | callers that wait for a connection |
//! | `db_client_connection_wait_time_seconds` | time to get a connection |
//! | `db_client_connection_timeouts_total` | callers that got no connection in time |
//! | `db_admission_rejections_total` | transactions rejected since too many waited for the same row |
//! | `db_commit_group_size` | transactions that shared a commit (SQLite) |

use std::{
    fmt::{self, Error},
    sync::{Arc, OnceLock},
    time::Duration,
};

use deadpool::Status;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, counter::Counter, family::Family, gauge::ConstGauge, histogram::Histogram},
    registry::Registry,
};

/// Seconds: the buckets of the semantic conventions, and a finer one.
const SECONDS: [f64; 10] = [0.0003, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];
const GROUP_SIZES: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// The metrics of one database. Clones share the counters; those of `default()` are not exported.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    operations: Family<Operation, Histogram>,
    waits: Histogram,
    timeouts: Counter,
    rejections: Counter,
    group_sizes: Histogram,
    /// Reads the state of the pool; set when the database is opened. `None` once the pool is gone.
    pool: OnceLock<Box<dyn Fn() -> Option<Status> + Send + Sync>>,
}

/// The labels of one operation. `error_type` is empty on success.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Operation {
    pub(crate) db_system_name: &'static str,
    pub(crate) db_operation_name: &'static str,
    pub(crate) db_collection_name: &'static str,
    pub(crate) error_type: &'static str,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            operations: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            waits: Histogram::new(SECONDS),
            timeouts: Counter::default(),
            rejections: Counter::default(),
            group_sizes: Histogram::new(GROUP_SIZES),
            pool: OnceLock::new(),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Creates the metrics and registers them under their Prometheus names.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "db_client_operation_duration_seconds",
            "Duration of a transaction, including the wait for a connection",
            metrics.0.operations.clone(),
        );
        registry.register(
            "db_client_connection_wait_time_seconds",
            "Time to get a connection",
            metrics.0.waits.clone(),
        );
        registry.register(
            "db_client_connection_timeouts",
            "Callers that got no connection in time",
            metrics.0.timeouts.clone(),
        );
        registry.register(
            "db_admission_rejections",
            "Transactions rejected since too many waited for the same row",
            metrics.0.rejections.clone(),
        );
        registry.register(
            "db_commit_group_size",
            "Transactions that shared a commit",
            metrics.0.group_sizes.clone(),
        );
        registry.register_collector(Box::new(metrics.clone()));
        metrics
    }

    /// Exports the state that `status` returns. Only the first call has an effect: a database has one pool.
    pub(crate) fn observe_pool(&self, status: impl Fn() -> Option<Status> + Send + Sync + 'static) {
        let _ = self.0.pool.set(Box::new(status));
    }

    pub(crate) fn operation(&self, labels: &Operation, took: Duration) {
        self.0.operations.get_or_create(labels).observe(took.as_secs_f64());
    }

    pub(crate) fn waited(&self, took: Duration) {
        self.0.waits.observe(took.as_secs_f64());
    }

    pub(crate) fn timed_out(&self) {
        self.0.timeouts.inc();
    }

    pub(crate) fn rejected(&self) {
        self.0.rejections.inc();
    }

    pub(crate) fn committed(&self, group_size: usize) {
        self.0.group_sizes.observe(u32::try_from(group_size).map_or(f64::MAX, f64::from));
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let Some(status) = self.0.pool.get().and_then(|status| status()) else { return Ok(()) };
        let mut counts = encoder.encode_descriptor(
            "db_client_connection_count",
            "Connections of the pool, by state",
            None,
            // promtool expects a histogram behind a name that ends in `_count`; it accepts an untyped metric.
            MetricType::Unknown,
        )?;
        let used = status.size.saturating_sub(status.available);
        for (state, count) in [("used", used), ("idle", status.available)] {
            gauge(count).encode(counts.encode_family(&[("db_client_connection_state", state)])?)?;
        }
        for (name, help, count) in [
            ("db_client_connection_max", "Limit of the pool", status.max_size),
            ("db_client_connection_pending_requests", "Callers that wait for a connection", status.waiting),
        ] {
            gauge(count).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

fn gauge(count: usize) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX))
}
