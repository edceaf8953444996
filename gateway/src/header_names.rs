//! Names of response headers that several modules use.

use http::HeaderName;

/// `true`: the response repeats the outcome of an earlier request with the same idempotency key.
pub(crate) const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// What a client has left of each rate limit (draft-ietf-httpapi-ratelimit-headers-11).
pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The rate limits themselves.
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
