//! What problems take from the gateway that makes them: its public address and its counters.
//!
//! The context is a task-local beside the trace context. Any code of a request can make a problem, and the
//! gateways of one process share no state.

use std::{future::Future, sync::Arc};

use http::StatusCode;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use service_kit::metrics::Registry;

/// The public address and the problem counters of one gateway. Clones share the counters.
#[derive(Debug, Clone, Default)]
pub struct ProblemContext {
    public_url: Option<Arc<str>>,
    dropped: Family<[(&'static str, &'static str); 1], Counter>,
    problems: Family<ProblemLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProblemLabels {
    kind: &'static str,
    status: u16,
}

/// Why a problem leaves out something that a backend sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DropReason {
    /// It does not decode, or holds a value that its type does not allow.
    Malformed,
    /// It is for operators alone.
    DebugInfo,
    /// Problems have no member for this type of detail.
    UnknownType,
    /// The key is not registered for the reason.
    UnregisteredMetadata,
    /// A problem holds one of its type, and this is the second.
    Repeated,
    /// The link is not plain https.
    UnsafeLink,
    /// It exceeds a bound.
    TooMuch,
}

impl DropReason {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::DebugInfo => "debug_info",
            Self::UnknownType => "unknown_type",
            Self::UnregisteredMetadata => "unregistered_metadata",
            Self::Repeated => "repeated",
            Self::UnsafeLink => "unsafe_link",
            Self::TooMuch => "too_much",
        }
    }
}

impl ProblemContext {
    /// `public_url` has no trailing slash; without one, the URLs in problems are relative. Registers the
    /// counters.
    pub fn new(public_url: Option<&str>, registry: &mut Registry) -> Self {
        let context = Self { public_url: public_url.map(Arc::from), ..Self::default() };
        registry.register(
            "gateway_problems",
            "Problems sent, by the last segment of their type and by status",
            context.problems.clone(),
        );
        registry.register(
            "gateway_status_details_dropped",
            "Parts of backends' failures that were not shown to clients, by reason",
            context.dropped.clone(),
        );
        context
    }

    /// `path` below the public address.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.as_deref().unwrap_or_default())
    }

    pub(super) fn count(&self, kind: &'static str, status: StatusCode) {
        self.problems.get_or_create(&ProblemLabels { kind, status: status.as_u16() }).inc();
    }

    pub(super) fn count_dropped(&self, reason: DropReason) {
        self.dropped.get_or_create(&[("why", reason.label())]).inc();
    }
}

#[cfg(test)]
impl ProblemContext {
    pub(super) fn problem_count(&self, kind: &'static str, status: StatusCode) -> u64 {
        self.problems.get_or_create(&ProblemLabels { kind, status: status.as_u16() }).get()
    }

    pub(super) fn dropped_count(&self, reason: DropReason) -> u64 {
        self.dropped.get_or_create(&[("why", reason.label())]).get()
    }
}

tokio::task_local! {
    static CURRENT: ProblemContext;
}

/// Runs `future` with `context` for the problems that it makes.
pub fn scope<F: Future>(context: ProblemContext, future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(context, future)
}

/// The context of the current task; outside of [`scope`], one with relative URLs and unregistered counters.
pub(super) fn current() -> ProblemContext {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}
