//! What a service counts of its database, named as the semantic conventions name it.
//!
//! | metric | what |
//! |---|---|
//! | `db_client_operation_duration_seconds` | from asking for a piece of work to its answer, waiting included |
//! | `db_client_connection_count` | connections of the pool, by state (`used`, `idle`); SQLite's writer has one of its own |
//! | `db_client_connection_max` | how many it may have |
//! | `db_client_connection_pending_requests` | those who wait for one |
//! | `db_client_connection_wait_time_seconds` | how long it took to get one |
//! | `db_client_connection_timeouts_total` | those who got none in time |
//! | `db_commit_group_size` | pieces of work that shared a commit (SQLite) |

use std::{
    fmt::{self, Error},
    sync::{Arc, OnceLock},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, counter::Counter, family::Family, gauge::ConstGauge, histogram::Histogram},
    registry::Registry,
};

use crate::pool::{Pool, WeakPool};

/// Seconds, as the semantic conventions advise, and one finer.
const SECONDS: [f64; 10] = [0.0003, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];
const GROUP_SIZES: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// The metrics of one database; the default's are read by nobody. A clone counts in the same place.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    operations: Family<Operation, Histogram>,
    waits: Histogram,
    timeouts: Counter,
    group_sizes: Histogram,
    /// Set when the database is open.
    pool: OnceLock<WeakPool>,
}

/// What was asked, and how it ended; empty where it went well, or there is no word for it.
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
    /// Registers them under their Prometheus names.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "db_client_operation_duration_seconds",
            "Time from asking for a piece of work to its answer",
            metrics.0.operations.clone(),
        );
        registry.register(
            "db_client_connection_wait_time_seconds",
            "Time that it took to get a connection",
            metrics.0.waits.clone(),
        );
        registry.register(
            "db_client_connection_timeouts",
            "Times that no connection could be had in time",
            metrics.0.timeouts.clone(),
        );
        registry.register(
            "db_commit_group_size",
            "Pieces of work that shared a commit",
            metrics.0.group_sizes.clone(),
        );
        registry.register_collector(Box::new(metrics.clone()));
        metrics
    }

    /// Tells of `pool` from now on.
    pub(crate) fn watch(&self, pool: &Pool) {
        // A database is opened once.
        let _ = self.0.pool.set(pool.weak());
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

    pub(crate) fn committed(&self, group_size: usize) {
        self.0.group_sizes.observe(u32::try_from(group_size).map_or(f64::MAX, f64::from));
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let Some(status) = self.0.pool.get().and_then(WeakPool::status) else { return Ok(()) };
        let mut counts = encoder.encode_descriptor(
            "db_client_connection_count",
            "Connections of the pool, by state",
            None,
            // The conventions' name, at whose end promtool expects a histogram: of an untyped one it asks nothing.
            MetricType::Unknown,
        )?;
        let used = status.size.saturating_sub(status.available);
        for (state, count) in [("used", used), ("idle", status.available)] {
            gauge(count).encode(counts.encode_family(&[("db_client_connection_state", state)])?)?;
        }
        for (name, help, count) in [
            ("db_client_connection_max", "Connections that the pool may have", status.max_size),
            ("db_client_connection_pending_requests", "Those who wait for a connection", status.waiting),
        ] {
            gauge(count).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

fn gauge(count: usize) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX))
}
