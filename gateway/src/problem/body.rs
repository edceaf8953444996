//! The members of a problem in the order of the response. The OpenAPI document takes its schema from these
//! structs.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::registry::{ProblemStatus, ProblemType, code_name};
use crate::limits::VIOLATIONS_MAX;

/// A problem (RFC 9457, application/problem+json).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Body {
    /// The URL of the page about the problem type. Compare its last segment, or `reason` and `code`.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    pub kind: String,
    /// The name of the problem type; constant for each type.
    pub title: &'static str,
    /// The HTTP status of the response.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened in this case.
    pub detail: String,
    /// The URN of this occurrence: urn:uuid and the request id.
    #[schema(format = "uri")]
    pub instance: String,
    /// The name of the gRPC status code.
    pub code: &'static str,
    /// The request's X-Request-Id if it was a UUID, else a generated one. The response header has it too.
    #[schema(format = "uuid")]
    pub request_id: String,
    /// The W3C trace id of the request.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    pub trace_id: String,
    /// Whether the same request with the same idempotency key may succeed later.
    pub retryable: bool,
    /// The id of the order, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub order_id: Option<i64>,
    /// The invalid members of the request, or the cause of a failed charge (field `payment`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<Violation>,
    /// Whether the request has more invalid members than `errors` names, which are the first 100. Absent for
    /// false.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub errors_truncated: bool,
    /// The cause as a constant, unique within `domain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// The service that the reason comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub domain: Option<String>,
    /// Details of the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    pub metadata: BTreeMap<String, String>,
    /// Milliseconds to wait before a retry; the header Retry-After has the same in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry_after_ms: Option<u64>,
    /// The exceeded quotas.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub quota_violations: Vec<QuotaViolation>,
    /// The preconditions that do not hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub preconditions: Vec<Precondition>,
    /// The resource that the problem concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub resource: Option<Resource>,
    /// Links to documentation; also in the header Link.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub links: Vec<Link>,
    /// The id in the logs of the service behind the gateway, if it differs from `request_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub upstream_request_id: Option<String>,
}

impl Body {
    /// A body with the members that its type determines. [`Body::set_request`] fills in those of the request.
    pub(super) fn new(kind: &ProblemType, status: &ProblemStatus) -> Self {
        Self {
            kind: String::new(),
            title: kind.title,
            status: status.http.as_u16(),
            detail: status.detail.to_owned(),
            instance: String::new(),
            code: code_name(status.code),
            request_id: String::new(),
            trace_id: String::new(),
            retryable: kind.retryable,
            order_id: None,
            errors: Vec::new(),
            errors_truncated: false,
            reason: None,
            domain: None,
            metadata: BTreeMap::new(),
            retry_after_ms: None,
            quota_violations: Vec::new(),
            preconditions: Vec::new(),
            resource: None,
            links: Vec::new(),
            upstream_request_id: None,
        }
    }

    /// Sets `errors` to the first [`VIOLATIONS_MAX`] violations.
    pub(super) fn set_errors(&mut self, mut violations: Vec<Violation>) {
        self.errors_truncated = violations.len() > VIOLATIONS_MAX;
        violations.truncate(VIOLATIONS_MAX);
        self.errors = violations;
    }
}

/// The signature is that of `skip_serializing_if`.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !value
}

/// One invalid member of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Violation {
    /// The path of the member in the service's contract, for example `order_items[0].unit_price`.
    pub field: String,
    /// The JSON pointer of the member in the request body, as a URI fragment (RFC 6901, section 6). For a
    /// missing member it is the pointer of the object that lacks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pointer: Option<String>,
    /// What is wrong.
    pub detail: String,
    /// The cause as a constant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
}

impl Violation {
    /// A violation without a reason.
    pub fn new(field: impl Into<String>, pointer: Option<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), pointer, detail: detail.into(), reason: None }
    }
}

/// One exceeded quota.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuotaViolation {
    /// How the quota was exceeded.
    pub description: String,
    /// The metric that the quota limits.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub quota_metric: String,
    /// The name of the quota.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub quota_id: String,
    /// The dimensions that the quota is counted by.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    pub quota_dimensions: BTreeMap<String, String>,
    /// The value of the quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub quota_value: Option<i64>,
    /// The value that a rollout is introducing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub future_quota_value: Option<i64>,
}

/// One precondition that does not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Precondition {
    /// The kind of precondition, as a constant.
    #[serde(rename = "type")]
    pub kind: String,
    /// The subject of the precondition.
    pub subject: String,
    /// How the client can satisfy the precondition.
    pub description: String,
}

/// The resource that a problem concerns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ProblemResource)]
pub struct Resource {
    /// The type of the resource.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name of the resource.
    pub name: String,
    /// What is wrong with the resource.
    pub description: String,
}

/// A link to documentation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ProblemLink)]
pub struct Link {
    /// The title of the linked page.
    pub title: String,
    /// An https URL.
    #[schema(format = "uri")]
    pub href: String,
}
