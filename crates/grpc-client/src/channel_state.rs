//! The state that all calls of a channel share.

use std::sync::Arc;

use http::HeaderMap;
use tonic::Status;

use crate::{
    balancer::Balancer,
    endpoints::Endpoints,
    observer::Observer,
    server_status::status_matches,
    service_config::{MethodConfig, ServiceConfig},
    throttle::Throttle,
};

/// Whether a status promises that its call did nothing.
pub(crate) type IsNotStarted = Arc<dyn Fn(&Status) -> bool + Send + Sync>;

pub(crate) struct ChannelState {
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) balancer: Balancer,
    pub(crate) config: ServiceConfig,
    pub(crate) throttle: Throttle,
    pub(crate) is_not_started: Option<IsNotStarted>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) response_bytes_max: usize,
    /// Whether the balancing policy reads load reports (gRFC A51).
    pub(crate) uses_load_reports: bool,
}

impl ChannelState {
    /// Whether the status in `headers` promises that its call did nothing.
    pub(crate) fn is_not_started(&self, headers: &HeaderMap) -> bool {
        self.is_not_started
            .as_ref()
            .is_some_and(|predicate| status_matches(headers, |status| predicate(status)))
    }

    /// The configuration of the method at `path`.
    pub(crate) fn method(&self, path: &str) -> MethodConfig {
        self.config.method(path).cloned().unwrap_or_default()
    }
}

impl std::fmt::Debug for ChannelState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelState").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}
