//! Headers of answers.

use utoipa::openapi::{
    HeaderBuilder, Ref, Type,
    header::Header,
    schema::{KnownFormat, ObjectBuilder, SchemaFormat},
};

use crate::key;

/// A header of an answer, by its name on the wire and in the document's components.
#[derive(Clone, Copy)]
pub(super) struct Named {
    pub(super) name: &'static str,
    component: &'static str,
}

pub(super) const ETAG: Named = Named { name: "ETag", component: "ETag" };
pub(super) const PREFERENCE_APPLIED: Named =
    Named { name: "Preference-Applied", component: "PreferenceApplied" };
pub(super) const ALLOW: Named = Named { name: "Allow", component: "Allow" };
pub(super) const IDEMPOTENCY_KEY: Named = Named { name: "Idempotency-Key", component: "IdempotencyKey" };
pub(super) const IDEMPOTENT_REPLAYED: Named =
    Named { name: "Idempotent-Replayed", component: "IdempotentReplayed" };
pub(super) const LOCATION: Named = Named { name: "Location", component: "Location" };
pub(super) const RATE_LIMIT: Named = Named { name: "RateLimit", component: "RateLimit" };
pub(super) const RATE_LIMIT_POLICY: Named = Named { name: "RateLimit-Policy", component: "RateLimitPolicy" };
pub(super) const REQUEST_ID: Named = Named { name: "X-Request-Id", component: "XRequestId" };
pub(super) const RETRY_AFTER: Named = Named { name: "Retry-After", component: "RetryAfter" };
pub(super) const WWW_AUTHENTICATE: Named = Named { name: "WWW-Authenticate", component: "WwwAuthenticate" };

impl Named {
    /// A reference to the header's component.
    pub(super) fn reference(self) -> Ref {
        Ref::new(format!("#/components/headers/{}", self.component))
    }
}

/// Every header's component.
pub(super) fn all() -> Vec<(&'static str, Header)> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let header = |named: Named, schema: ObjectBuilder, description: &str| {
        (named.component, HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build())
    };
    let uuid = text().format(Some(SchemaFormat::Custom("uuid".to_owned())));
    let seconds = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
    vec![
        header(
            ETAG,
            text(),
            "There where the answer will not change: send it as If-None-Match to learn whether it still holds.",
        ),
        header(
            PREFERENCE_APPLIED,
            text(),
            "There where the request's Prefer was heeded: wait and the seconds that it named.",
        ),
        header(ALLOW, text(), "The methods that the address takes."),
        header(
            IDEMPOTENCY_KEY,
            text().pattern(Some(key::PATTERN)),
            "On every answer to an order being placed: the key in effect, the request's own or one that was made. \
             Send it with the same request again to learn how that ended.",
        ),
        header(
            IDEMPOTENT_REPLAYED,
            text().enum_values(Some(["true"])),
            "There where the answer repeats that of an earlier request with the same key.",
        ),
        header(
            LOCATION,
            text().format(Some(SchemaFormat::Custom("uri-reference".to_owned()))),
            "The address of the order.",
        ),
        header(
            RATE_LIMIT,
            text(),
            "How many requests are left to the client (r), and how many seconds they should be spread over (t), for each \
             rate limit: a list of RFC 9651, \"address\";r=99;t=60 for instance. There where a limit applies \
             (draft-ietf-httpapi-ratelimit-headers-11).",
        ),
        header(
            RATE_LIMIT_POLICY,
            text(),
            "The rate limits that apply, by name: requests (q) within seconds (w), \"address\";q=100;w=60 for instance.",
        ),
        header(
            REQUEST_ID,
            uuid,
            "The request's own X-Request-Id where that is a UUID, else one that was made.",
        ),
        header(RETRY_AFTER, seconds.minimum(Some(1)), "Seconds to wait before trying again."),
        header(WWW_AUTHENTICATE, text(), "How to authenticate, or which scope is missing."),
    ]
}
