//! Response headers.

use utoipa::openapi::{
    HeaderBuilder, Ref, Type,
    header::Header,
    schema::{KnownFormat, ObjectBuilder, SchemaFormat},
};

use crate::key;

pub(super) const ETAG: &str = "ETag";
pub(super) const PREFERENCE_APPLIED: &str = "Preference-Applied";
pub(super) const ALLOW: &str = "Allow";
pub(super) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
pub(super) const IDEMPOTENT_REPLAYED: &str = "Idempotent-Replayed";
pub(super) const LOCATION: &str = "Location";
pub(super) const RATE_LIMIT: &str = "RateLimit";
pub(super) const RATE_LIMIT_POLICY: &str = "RateLimit-Policy";
pub(super) const REQUEST_ID: &str = "X-Request-Id";
pub(super) const RETRY_AFTER: &str = "Retry-After";
pub(super) const WWW_AUTHENTICATE: &str = "WWW-Authenticate";

/// A reference to the component of the header `name`.
pub(super) fn reference(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{}", component_name(name)))
}

/// The suffix distinguishes it from the parameter of the same name.
fn component_name(name: &str) -> String {
    format!("{}Header", name.replace('-', ""))
}

/// The components of all headers.
pub(super) fn all() -> Vec<(String, Header)> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let component = |name: &str, schema: ObjectBuilder, description: &str| {
        (
            component_name(name),
            HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build(),
        )
    };
    let uuid = text().format(Some(SchemaFormat::Custom("uuid".to_owned())));
    let seconds = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
    vec![
        component(
            ETAG,
            text(),
            "Present on a response that does not change. Send it as If-None-Match to get a 304 while it is \
             current.",
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
            "On every response to placing an order: the key of the request, or a generated one if the \
             request has none. Send it with the same request again to get the outcome.",
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
            "The client's remaining requests (r) and the seconds to spread them over (t), for each rate \
             limit: a list of RFC 9651, for example \"address\";r=99;t=60. Present if a limit applies \
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
