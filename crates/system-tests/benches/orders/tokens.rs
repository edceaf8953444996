//! Access tokens of all users (RS256), and the file of the issuer's keys.

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

/// Variables of the gateway.
type Variables = Vec<(&'static str, String)>;

/// Tokens of `users` users, and the gateway's variables that make it accept them. Writes the keys to
/// `directory`.
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
