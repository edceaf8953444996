//! Response headers.

use utoipa::openapi::{
    HeaderBuilder, Ref, Type,
    header::Header,
    schema::{KnownFormat, ObjectBuilder, SchemaFormat},
};

use crate::key;

/// A response header: its name on the wire and in the document's components.
#[derive(Clone, Copy)]
pub(super) struct HeaderComponent {
    pub(super) name: &'static str,
    component: &'static str,
}

pub(super) const ETAG: HeaderComponent = HeaderComponent { name: "ETag", component: "ETag" };
pub(super) const PREFERENCE_APPLIED: HeaderComponent =
    HeaderComponent { name: "Preference-Applied", component: "PreferenceApplied" };
pub(super) const ALLOW: HeaderComponent = HeaderComponent { name: "Allow", component: "Allow" };
pub(super) const IDEMPOTENCY_KEY: HeaderComponent =
    HeaderComponent { name: "Idempotency-Key", component: "IdempotencyKey" };
pub(super) const IDEMPOTENT_REPLAYED: HeaderComponent =
    HeaderComponent { name: "Idempotent-Replayed", component: "IdempotentReplayed" };
pub(super) const LOCATION: HeaderComponent = HeaderComponent { name: "Location", component: "Location" };
pub(super) const RATE_LIMIT: HeaderComponent = HeaderComponent { name: "RateLimit", component: "RateLimit" };
pub(super) const RATE_LIMIT_POLICY: HeaderComponent =
    HeaderComponent { name: "RateLimit-Policy", component: "RateLimitPolicy" };
pub(super) const REQUEST_ID: HeaderComponent =
    HeaderComponent { name: "X-Request-Id", component: "XRequestId" };
pub(super) const RETRY_AFTER: HeaderComponent =
    HeaderComponent { name: "Retry-After", component: "RetryAfter" };
pub(super) const WWW_AUTHENTICATE: HeaderComponent =
    HeaderComponent { name: "WWW-Authenticate", component: "WwwAuthenticate" };

impl HeaderComponent {
    /// A reference to the component.
    pub(super) fn reference(self) -> Ref {
        Ref::new(format!("#/components/headers/{}", self.component))
    }
}

/// The components of all headers.
pub(super) fn all() -> Vec<(&'static str, Header)> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let component = |header: HeaderComponent, schema: ObjectBuilder, description: &str| {
        (header.component, HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build())
    };
    let uuid = text().format(Some(SchemaFormat::Custom("uuid".to_owned())));
    let seconds = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
    vec![
        component(
            ETAG,
            text(),
            "Present on a response that does not change. Send it as If-None-Match to get a 304 while it is current.",
        ),
        component(
            PREFERENCE_APPLIED,
            text(),
            "Present if the request's Prefer was honoured: wait and its seconds.",
        ),
        component(ALLOW, text(), "The methods that the address supports."),
        component(
            IDEMPOTENCY_KEY,
            text().pattern(Some(key::PATTERN)),
            "On every response to placing an order: the key of the request, or a generated one if the request has \
             none. Send it with the same request again to get the outcome.",
        ),
        component(
            IDEMPOTENT_REPLAYED,
            text().enum_values(Some(["true"])),
            "Present if the response repeats the one to an earlier request with the same key.",
        ),
        component(
            LOCATION,
            text().format(Some(SchemaFormat::Custom("uri-reference".to_owned()))),
            "The URL of the order.",
        ),
        component(
            RATE_LIMIT,
            text(),
            "The client's remaining requests (r) and the seconds to spread them over (t), for each rate limit: a list \
             of RFC 9651, for example \"address\";r=99;t=60. Present if a limit applies \
             (draft-ietf-httpapi-ratelimit-headers-11).",
        ),
        component(
            RATE_LIMIT_POLICY,
            text(),
            "The rate limits that apply, by name: requests (q) within seconds (w), for example \
             \"address\";q=100;w=60.",
        ),
        component(REQUEST_ID, uuid, "The request's X-Request-Id if it is a UUID, else a generated one."),
        component(RETRY_AFTER, seconds.minimum(Some(1)), "Seconds to wait before a retry."),
        component(WWW_AUTHENTICATE, text(), "How to authenticate, or which scope is missing."),
    ]
}
