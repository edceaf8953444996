//! Types of the reasons that the gateway alone gives.

use http::StatusCode;
use tonic::Code;

use super::{GATEWAY_DOMAIN, Key, ProblemType, answer, blank};

const fn of_reason(slug: &'static str, reason: &'static str, title: &'static str) -> ProblemType {
    blank(slug, Key::Reason { domain: GATEWAY_DOMAIN, reason }, title)
}

/// The token is good, and not for this.
pub const INSUFFICIENT_SCOPE: ProblemType = ProblemType {
    answers: &[answer(
        StatusCode::FORBIDDEN,
        Code::PermissionDenied,
        "The access token does not permit this; the header WWW-Authenticate names the scope that would.",
    )],
    what_happened: "The access token is good, and lacks the scope that the request needs: `orders:read` to read \
        orders, `orders:write` to place them. Nothing was done.",
    what_to_do: "Get an access token with the scope that the header `WWW-Authenticate` names. Sending the same again \
        does not help.",
    ..of_reason("insufficient-scope", "INSUFFICIENT_SCOPE", "The access token does not permit this")
};
