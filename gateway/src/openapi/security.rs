//! Which operations need a token.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};

const SCHEME: &str = "bearerAuth";

/// The scheme's component.
pub(super) fn scheme() -> (&'static str, SecurityScheme) {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(
        "An access token of the issuer that the operator trusts. Its `sub` is the id of the user: orders are placed \
         and read as that user alone. Its `scope` (or `scp`) holds `orders:read` to read orders, `orders:write` to \
         place them. It is required wherever the operator has configured an issuer; a gateway for development may ask \
         for none.",
    ));
    (SCHEME, SecurityScheme::Http(scheme.build()))
}

/// A token with `scope` is needed.
pub(super) fn needs(scope: &'static str) -> SecurityRequirement {
    SecurityRequirement::new(SCHEME, [scope])
}
