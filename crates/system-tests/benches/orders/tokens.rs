//! Access tokens of the users that orders are spread over, as an issuer would make them: RS256, by a file of its keys.

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use http::HeaderValue;
use serde_json::json;

use crate::{figures::Failure, load::Tokens, signer::Signer};

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "orders";
const VALID_FOR_SECONDS: u64 = 7_200;

/// What is added to the environment of the gateway.
type Variables = Vec<(&'static str, String)>;

/// Tokens for so many users, and what the gateway has to be told of them. The keys are written to `directory`.
pub(crate) fn issue(users: usize, directory: &Path) -> Result<(Tokens, Variables), Failure> {
    let signer = Signer::rsa(Some("bench"));
    let keys = directory.join("jwks.json");
    fs::write(&keys, json!({ "keys": [signer.jwk()] }).to_string())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let token = |user: usize| {
        let token = signer.token(json!({
                "iss": ISSUER, "aud": AUDIENCE, "sub": user.to_string(), "iat": now, "exp": now + VALID_FOR_SECONDS,
                "scope": "orders:read orders:write",
            }));
        HeaderValue::from_str(&format!("Bearer {token}"))
    };
    let variables = vec![
        ("AUTH_JWKS_FILE", keys.display().to_string()),
        ("AUTH_ISSUER", ISSUER.to_owned()),
        ("AUTH_AUDIENCE", AUDIENCE.to_owned()),
    ];
    Ok(((1..=users).map(token).collect::<Result<_, _>>()?, variables))
}
