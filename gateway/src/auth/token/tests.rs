//! Requirements on tokens with a valid signature.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use jsonwebtoken::get_current_timestamp;
use ring::hmac;
use serde_json::{Value, json};

use super::*;
use crate::auth::cryptography;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const LEEWAY_SECONDS: u64 = 30;

fn header() -> Value {
    json!({ "alg": "HS256", "typ": "at+jwt" })
}

fn claims() -> Value {
    let now = get_current_timestamp();
    json!({ "iss": "https://issuer.example", "aud": "orders", "sub": "123", "exp": now + 300, "scope": "orders:read" })
}

fn sign(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(claims));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), message.as_bytes());
    format!("{message}.{}", BASE64URL.encode(signature))
}

fn rules() -> TokenRules {
    cryptography::install();
    TokenRules::new("https://issuer.example", "orders", LEEWAY_SECONDS)
}

fn verify_text(header: &str, claims: &str) -> Result<VerifiedToken, AuthError> {
    let token = sign(header, claims);
    rules().verify(&UnverifiedToken::parse(&token)?, [Key::secret(SECRET)].iter())
}

/// Verifies a token with valid claims except for `changes`; null removes a claim.
fn verify(changes: Value) -> Result<VerifiedToken, AuthError> {
    verify_text(&header().to_string(), &changed(claims(), changes).to_string())
}

fn verify_header(changes: Value) -> Result<VerifiedToken, AuthError> {
    verify_text(&changed(header(), changes).to_string(), &claims().to_string())
}

fn changed(mut object: Value, changes: Value) -> Value {
    let members = object.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    object
}

#[test]
fn a_token_expires_at_exp_plus_leeway() {
    let exp = get_current_timestamp() + 300;
    assert_eq!(verify(json!({ "exp": exp })).unwrap().expires_at, exp + LEEWAY_SECONDS);
    // A token with a fractional exp is not cached.
    assert_eq!(verify(json!({ "exp": exp as f64 + 0.5 })).unwrap().expires_at, 0);
}

#[test]
fn a_valid_token_identifies_its_user() {
    let verified = verify(json!({})).unwrap();
    assert_eq!(verified.subject, Subject(123));
    assert!(verified.has_scope("orders:read") && !verified.has_scope("orders:write"));
}

#[test]
fn the_audience_is_one_of_those_of_the_token() {
    assert!(verify(json!({ "aud": ["others", "orders"] })).is_ok());
    for aud in [json!("Orders"), json!(["others"]), json!([]), json!(7), json!({ "orders": 1 }), Value::Null]
    {
        assert!(verify(json!({ "aud": aud })).is_err(), "{aud}");
    }
}

#[test]
fn the_issuer_is_a_single_text() {
    for iss in [json!("https://issuer.example/"), json!(["https://issuer.example"]), json!(""), Value::Null] {
        assert!(verify(json!({ "iss": iss })).is_err(), "{iss}");
    }
}

#[test]
fn a_user_id_has_one_form() {
    let max = (1 << 53) - 1;
    assert_eq!(verify(json!({ "sub": max.to_string() })).unwrap().subject, Subject(max));
    let above = ["9007199254740992", "9223372036854775807", "9223372036854775808"];
    let malformed = ["0", "-1", "+1", "01", " 1", "1 ", "1.0", "1e3", "", "٣", "alice"];
    for sub in malformed.into_iter().chain(above) {
        assert!(verify(json!({ "sub": sub })).is_err(), "{sub}");
    }
    for sub in [json!(123), json!(["123"]), Value::Null] {
        assert!(verify(json!({ "sub": sub })).is_err(), "{sub}");
    }
}

#[test]
fn exp_is_checked_with_leeway() {
    // A second may pass before the check: the second next to the edge is not tested.
    let now = get_current_timestamp();
    assert!(verify(json!({ "exp": now - LEEWAY_SECONDS + 3 })).is_ok());
    assert!(verify(json!({ "exp": now - LEEWAY_SECONDS })).is_err());
    assert!(verify(json!({ "exp": now - LEEWAY_SECONDS - 1 })).is_err());
    for exp in [json!(0), json!(-1), json!((now + 300).to_string()), json!(1e300), json!(true), Value::Null] {
        assert!(verify(json!({ "exp": exp })).is_err(), "{exp}");
    }
}

#[test]
fn nbf_is_checked_with_leeway() {
    let now = get_current_timestamp();
    assert!(verify(json!({ "nbf": now + LEEWAY_SECONDS })).is_ok());
    assert!(verify(json!({ "nbf": now + LEEWAY_SECONDS + 3 })).is_err());
    for nbf in [json!("soon"), json!(-1), json!(1e300)] {
        assert!(verify(json!({ "nbf": nbf })).is_err(), "{nbf}");
    }
}

#[test]
fn a_duplicate_claim_is_rejected() {
    let claims = claims().to_string();
    for twice in [
        "\"sub\":\"124\"",
        "\"exp\":9999999999",
        "\"iss\":\"x\"",
        "\"aud\":\"x\"",
        "\"scope\":\"orders:write\"",
    ] {
        let claims = claims.replacen('{', &format!("{{{twice},"), 1);
        assert!(verify_text(&header().to_string(), &claims).is_err(), "{twice}");
    }
    assert!(verify_text("{\"alg\":\"HS256\",\"alg\":\"HS256\"}", &claims).is_err());
}

#[test]
fn typ_is_absent_or_that_of_a_token() {
    for typ in [
        json!("JWT"),
        json!("jwt"),
        json!("at+jwt"),
        json!("AT+JWT"),
        json!("application/at+jwt"),
        json!("application/jwt"),
        json!("Application/JWT"),
        json!("APPLICATION/AT+JWT"),
        Value::Null,
    ] {
        assert!(verify_header(json!({ "typ": typ })).is_ok(), "{typ}");
    }
    for typ in [
        "",
        "JOSE",
        "dpop+jwt",
        "secevent+jwt",
        "logout+jwt",
        "id+jwt",
        "application/jwt+at",
        "application/",
        "application/application/jwt",
        "/jwt",
        "text/jwt",
        " jwt",
        "jwt; charset=utf-8",
    ] {
        assert!(verify_header(json!({ "typ": typ })).is_err(), "{typ}");
    }
}

#[test]
fn a_critical_extension_is_rejected() {
    for crit in [json!(["exp"]), json!(["b64"]), json!(["b64", "x"]), json!([]), json!("b64")] {
        assert!(verify_header(json!({ "crit": crit, "b64": false })).is_err(), "{crit}");
    }
    assert!(verify_header(json!({ "b64": true, "unknown": 1 })).is_ok());
}

#[test]
fn unsupported_algorithms_are_rejected() {
    for alg in ["none", "None", "NONE", "", "HS384", "HS512", "RS384", "RS512", "PS256", "ES384", "hs256"] {
        assert!(verify_header(json!({ "alg": alg })).is_err(), "{alg}");
    }
    // Supported, but not with a secret.
    for alg in ["RS256", "ES256", "EdDSA"] {
        assert!(verify_header(json!({ "alg": alg })).is_err(), "{alg}");
    }
    assert!(verify_header(json!({ "alg": null })).is_err());
}

#[test]
fn a_malformed_token_is_rejected() {
    let valid = sign(&header().to_string(), &claims().to_string());
    let [head, body, signature]: [&str; 3] = valid.split('.').collect::<Vec<_>>().try_into().unwrap();
    let (rules, secret) = (rules(), Key::secret(SECRET));
    for bad in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        format!("{head}.{body}"),
        format!("{head}.{body}."),
        format!("{head}.{body}.{signature}."),
        format!("{head}.{body}.{signature}.{signature}"),
        format!("{head}.{body}.{signature}=="),
        format!("{head}.{body}.{}", &signature[1..]),
        format!("{head}..{signature}"),
        format!("{body}.{body}.{signature}"),
    ] {
        let outcome =
            UnverifiedToken::parse(&bad).and_then(|token| rules.verify(&token, [&secret].into_iter()));
        assert!(outcome.is_err(), "{bad}");
    }
}

#[test]
fn scopes_are_words_of_a_text_or_elements_of_a_list() {
    let has_scope = |changes| verify(changes).unwrap().has_scope("orders:read");
    for scope in ["orders:read", "a orders:read b", "orders:write orders:read"] {
        assert!(has_scope(json!({ "scope": scope })), "{scope}");
    }
    for scope in ["", "orders:rea", "orders:readx", "Orders:read", "orders:read,b", "orders", "orders:*"] {
        assert!(!has_scope(json!({ "scope": scope })), "{scope}");
    }
    assert!(has_scope(json!({ "scope": null, "scp": ["a", "orders:read"] })));
    assert!(has_scope(json!({ "scope": null, "scp": "a orders:read" })));
    assert!(!has_scope(json!({ "scope": null, "scp": ["a orders:read"] })));
    assert!(!has_scope(json!({ "scope": null })));
    assert!(verify(json!({ "scope": ["orders:read"] })).is_err());
}
