//! Types of the reasons that only the gateway gives.

use http::StatusCode;
use tonic::Code;

use super::{GATEWAY_DOMAIN, ProblemType, TypeKey, blank, status};

const fn of_reason(slug: &'static str, reason: &'static str, title: &'static str) -> ProblemType {
    blank(slug, TypeKey::Reason { domain: GATEWAY_DOMAIN, reason }, title)
}

/// The token is valid and lacks a scope.
pub const INSUFFICIENT_SCOPE: ProblemType = ProblemType {
    statuses: &[status(
        StatusCode::FORBIDDEN,
        Code::PermissionDenied,
        "The access token lacks a scope; the header WWW-Authenticate names it.",
    )],
    what_happened: "The access token is valid, but it lacks the scope that the request needs: `orders:read` \
        to read orders, `orders:write` to place them. The request had no effect.",
    what_to_do: "Get an access token with the scope that the header `WWW-Authenticate` names. Repeating the \
        request with the same token does not help.",
    ..of_reason("insufficient-scope", "INSUFFICIENT_SCOPE", "The access token does not permit this")
};
