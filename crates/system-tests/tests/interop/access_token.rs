//! A gateway that requires access tokens, and a token that it accepts.

use std::time::{SystemTime, UNIX_EPOCH};

use all_in_one::Options;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use ring::hmac;
use serde_json::json;

/// The user of [`token`], and of the document's examples.
pub(crate) const USER: i64 = 123;
const SECRET: &str = "of the 32 bytes that HS256 demands";
const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "orders";
/// Longer than any run of the fuzzer.
const LIFETIME_SECONDS: u64 = 7_200;

/// Options of a system whose gateway requires a token.
pub(crate) fn required(options: Options) -> Options {
    options.var("AUTH_HS256_SECRET", SECRET).var("AUTH_ISSUER", ISSUER).var("AUTH_AUDIENCE", AUDIENCE)
}

/// A token of [`USER`] with every scope.
pub(crate) fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let header = json!({ "alg": "HS256", "typ": "at+jwt" });
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": USER.to_string(), "iat": now, "exp": now + LIFETIME_SECONDS,
        "scope": "orders:read orders:write",
    });
    let message = [header, claims].map(|part| BASE64URL.encode(part.to_string())).join(".");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    format!("{message}.{}", BASE64URL.encode(hmac::sign(&key, message.as_bytes())))
}
