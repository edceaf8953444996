//! What all calls of a channel share.

use std::sync::Arc;

use http::HeaderMap;
use tonic::Status;

use crate::{
    Observer, balancer::Balancer, endpoints::Endpoints, service_config::ServiceConfig, throttle::Throttle,
};

/// Whether a status promises that its call did nothing.
pub(crate) type Refusals = Arc<dyn Fn(&Status) -> bool + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) balancer: Balancer,
    pub(crate) config: ServiceConfig,
    pub(crate) throttle: Throttle,
    pub(crate) refusals: Option<Refusals>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) response_bytes_max: usize,
    /// Whether anything is chosen by what endpoints report of their load.
    pub(crate) wants_reports: bool,
}

impl Shared {
    /// Whether the status in `headers` promises that its call did nothing.
    pub(crate) fn is_refusal(&self, headers: &HeaderMap) -> bool {
        let says_so =
            |refusals: &Refusals| Status::from_header_map(headers).is_some_and(|status| refusals(&status));
        self.refusals.as_ref().is_some_and(says_so)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}
