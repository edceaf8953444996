//! The members of a problem, in the order in which they are sent; the schema in the OpenAPI document is
//! made from the same structs.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::registry::{Answer, ProblemType, code_name};

/// A problem (RFC 9457, application/problem+json).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Body {
    /// What kind of problem it is: the address of a page about it.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    pub kind: String,
    /// The kind in words, the same for every problem of the kind.
    pub title: &'static str,
    /// The HTTP status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// This one occurrence, as urn:uuid and the request's id.
    #[schema(format = "uri")]
    pub instance: String,
    /// The name of the gRPC code.
    pub code: &'static str,
    /// The caller's X-Request-Id where that was a UUID, else made here; also in the header of that name.
    #[schema(format = "uuid")]
    pub request_id: String,
    /// The W3C trace that the request belongs to.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    pub trace_id: String,
    /// Whether the same request with the same idempotency key may later succeed.
    pub retryable: bool,
    /// The order that the problem is about, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub order_id: Option<i64>,
    /// Everything that is wrong with the request, or with the charge (field `payment`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<Violation>,
    /// A constant for the cause, unique within `domain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// Who gives the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub domain: Option<String>,
    /// More about the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    pub metadata: BTreeMap<String, String>,
    /// Milliseconds to wait before trying again; the header Retry-After says the same in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry_after_ms: Option<u64>,
    /// The quotas that were exceeded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub quota_violations: Vec<QuotaViolation>,
    /// What had to hold and does not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub preconditions: Vec<Precondition>,
    /// What the request was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub resource: Option<Resource>,
    /// Where to read more; also in the header Link.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub links: Vec<Link>,
    /// The id under which the service behind the gateway logged the request, where it has one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub upstream_request_id: Option<String>,
}

impl Body {
    /// What all problems of a type have in common; the request's context is still to be filled in.
    pub(super) fn new(kind: &ProblemType, answer: &Answer) -> Self {
        Self {
            kind: String::new(),
            title: kind.title,
            status: answer.status.as_u16(),
            detail: answer.detail.to_owned(),
            instance: String::new(),
            code: code_name(answer.code),
            request_id: String::new(),
            trace_id: String::new(),
            retryable: kind.retryable,
            order_id: None,
            errors: Vec::new(),
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
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Violation {
    /// The member by its path in the service's contract, `order_items[0].unit_price` for instance.
    pub field: String,
    /// The member's place in the request body, as the fragment form of a JSON pointer (RFC 6901, section 6);
    /// of a member that is missing, the place of the object that lacks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pointer: Option<String>,
    /// What is wrong.
    pub detail: String,
    /// A constant for what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
}

/// One quota that was exceeded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuotaViolation {
    /// How it was exceeded.
    pub description: String,
    /// What is measured.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub quota_metric: String,
    /// Which limit it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub quota_id: String,
    /// What the limit is counted by.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    pub quota_dimensions: BTreeMap<String, String>,
    /// The limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub quota_value: Option<i64>,
    /// The limit that is being introduced.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub future_quota_value: Option<i64>,
}

/// One thing that had to hold and does not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Precondition {
    /// A constant for what had to hold.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it had to hold for.
    pub subject: String,
    /// What to do about it.
    pub description: String,
}

/// What a request was about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ProblemResource)]
pub struct Resource {
    /// Which kind of thing.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which one.
    pub name: String,
    /// What is wrong with it.
    pub description: String,
}

/// Where to read more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ProblemLink)]
pub struct Link {
    /// What is to be found there.
    pub title: String,
    /// An https address.
    #[schema(format = "uri")]
    pub href: String,
}
