//! Which operations need a token.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};

const SCHEME: &str = "bearerAuth";

/// The component of the scheme.
pub(super) fn scheme() -> (&'static str, SecurityScheme) {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(
        "An access token of the issuer that the operator configured. Its `sub` is the id of the user; the \
         token permits placing and reading the orders of this user alone. Its `scope` (or `scp`) contains \
         `orders:read` for reading orders and `orders:write` for placing them. A gateway without an issuer, \
         for development, needs no token.",
    ));
    (SCHEME, SecurityScheme::Http(scheme.build()))
}

/// Requires a token with `scope`.
pub(super) fn needs(scope: &'static str) -> SecurityRequirement {
    SecurityRequirement::new(SCHEME, [scope])
}
