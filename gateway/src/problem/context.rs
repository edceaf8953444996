//! What problems need to know of the gateway that they arise in: where it is, and where it counts.
//!
//! It travels beside the trace context, in a task-local, so that a problem can be made anywhere in a
//! request's work and no state is shared by the gateways of one process.

use std::{future::Future, sync::Arc};

use http::StatusCode;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use service_kit::metrics::Registry;

/// One gateway, as its problems know it.
#[derive(Debug, Clone, Default)]
pub struct ProblemContext {
    public_url: Option<Arc<str>>,
    dropped: Dropped,
    made: Family<Made, Counter>,
}

/// What problems are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Made {
    kind: &'static str,
    status: u16,
}

/// Counts what was left out of problems, by why.
#[derive(Debug, Clone, Default)]
struct Dropped(Family<[(&'static str, &'static str); 1], Counter>);

/// Why something that a backend sent is not part of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It does not decode, or holds what its type does not allow.
    Malformed,
    /// It is for the operators' eyes only.
    DebugInfo,
    /// A detail of a type that problems have no member for.
    UnknownType,
    /// A key that is not registered for the reason.
    UnregisteredMetadata,
    /// A second one, where a problem has room for one.
    Repeated,
    /// A link that is not plain https.
    UnsafeLink,
    /// More than a problem may hold.
    TooMuch,
}

impl Why {
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
    /// A gateway that the public reaches at `public_url`, which has no slash at its end; where that is `None`
    /// its addresses are relative. What is left out of problems is counted in `registry`.
    pub fn new(public_url: Option<&str>, registry: &mut Registry) -> Self {
        let site = Self { public_url: public_url.map(Arc::from), ..Self::default() };
        registry.register(
            "gateway_problems",
            "Problems that were answered with, by the last segment of their type and by status",
            site.made.clone(),
        );
        registry.register(
            "gateway_status_details_dropped",
            "What backends sent with a failure and the public was not shown, by why",
            site.dropped.0.clone(),
        );
        site
    }

    /// `path` as the public writes it.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.as_deref().unwrap_or_default())
    }

    pub(super) fn count(&self, kind: &'static str, status: StatusCode) {
        self.made.get_or_create(&Made { kind, status: status.as_u16() }).inc();
    }

    #[cfg(test)]
    pub(super) fn counted(&self, kind: &'static str, status: StatusCode) -> u64 {
        self.made.get_or_create(&Made { kind, status: status.as_u16() }).get()
    }

    pub(super) fn count_dropped(&self, why: Why) {
        self.dropped.0.get_or_create(&[("why", why.label())]).inc();
    }

    #[cfg(test)]
    pub(super) fn dropped(&self, why: Why) -> u64 {
        self.dropped.0.get_or_create(&[("why", why.label())]).get()
    }
}

tokio::task_local! {
    static CURRENT: ProblemContext;
}

/// Runs `future` so that problems that arise in it belong to `site`.
pub fn scope<F: Future>(site: ProblemContext, future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(site, future)
}

/// The gateway that is at work here; outside of any, one with relative addresses that nobody scrapes.
pub(super) fn current() -> ProblemContext {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}
