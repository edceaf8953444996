//! Invalid tokens, each wrong in one way (RFC 8725 §2, and past vulnerabilities of JWT libraries).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use serde_json::{Value, json};

use super::{
    AuthFixture, CHALLENGE, Issuer, SECRET, Signer, changed, claims, comparable, now,
    signer::{rsa_public_key_as_secrets, signing_input},
};
use crate::{
    gateway_fixture::{ALL_OPERATIONS, GatewayFixture, Operation},
    log_capture::LogCapture,
    support::Response,
};

const INVALID: &str = "Bearer realm=\"orders\", error=\"invalid_token\"";

/// Asserts that `response` is the 401 that every invalid token gets.
fn assert_rejected(what: &str, response: &Response, known: &mut Option<Value>) {
    assert_eq!((response.status.as_u16(), response.header("www-authenticate")), (401, INVALID), "{what}");
    let problem = comparable(response);
    assert_eq!(problem["type"], "/problems/unauthenticated", "{what}");
    assert_eq!(*known.get_or_insert_with(|| problem.clone()), problem, "{what}");
}

/// Sends each token, listed with its defect, to every operation.
async fn assert_all_rejected(fixture: &AuthFixture, tokens: Vec<(String, String)>) {
    let mut known = None;
    for (what, token) in tokens {
        for operation in ALL_OPERATIONS {
            assert_rejected(&what, &fixture.call(operation, &token).await, &mut known);
        }
    }
    assert!(fixture.order.last_metadata().is_empty(), "Order was called");
}

#[tokio::test]
async fn invalid_signatures_are_rejected() {
    let signers = || [Signer::rsa(Some("rsa")), Signer::ec(Some("ec")), Signer::ed(Some("ed"))];
    let ours = signers();
    let issuer = Issuer::of(&ours).await;
    let fixture = AuthFixture::of(&issuer).await;
    let mut tokens = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        for kid in [json!("rsa"), Value::Null] {
            let unsigned = signing_input(&changed(json!({}), json!({ "alg": alg, "kid": kid })), &claims());
            tokens.extend([format!("{unsigned}."), unsigned].map(|token| (format!("alg {alg:?}"), token)));
        }
    }
    for secret in rsa_public_key_as_secrets() {
        let header = json!({ "alg": "HS256", "kid": "rsa" });
        tokens.push(("a public key as a secret".to_owned(), Signer::secret(secret).sign(&header, &claims())));
    }
    for (signer, forger) in
        ours.iter().zip([None, Some(Signer::ec(Some("ec"))), Some(Signer::ed(Some("ed")))])
    {
        let alg = signer.algorithm();
        tokens.extend(forger.map(|forger| (format!("{alg} of another key"), forger.token(claims()))));
        let good = signer.token(claims());
        let [head, _, signature]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
        let other = BASE64URL.encode(changed(claims(), json!({ "sub": "124" })).to_string());
        tokens.push((format!("{alg}, other claims"), format!("{head}.{other}.{signature}")));
        let zeros = BASE64URL.encode(vec![0; BASE64URL.decode(signature).unwrap().len()]);
        let unsigned = good.trim_end_matches(signature);
        tokens.push((format!("{alg}, a signature of zeros"), format!("{unsigned}{zeros}")));
        tokens.push((format!("{alg}, no signature"), unsigned.to_owned()));
        tokens.push((format!("{alg}, a signature in two parts"), format!("{good}.{signature}")));
        // A key is valid for its own algorithm only.
        for (kid, header) in
            [("rsa", "ES256"), ("rsa", "PS256"), ("ec", "EdDSA"), ("ed", "RS256"), ("ec", "HS256")]
        {
            let token = signer.sign(&json!({ "alg": header, "kid": kid }), &claims());
            tokens.push((format!("{alg} signed, {header} said, of key {kid}"), token));
        }
    }
    assert_all_rejected(&fixture, tokens).await;
}

#[tokio::test]
async fn invalid_claims_and_headers_are_rejected() {
    let fixture = AuthFixture::start(&[("AUTH_HS256_SECRET", SECRET)]).await;
    let signer = Signer::secret(SECRET);
    let mut tokens = Vec::new();
    for claim in [
        json!({ "iss": "https://issuer.example/" }),
        json!({ "iss": ["https://issuer.example"] }),
        json!({ "iss": null }),
        json!({ "aud": "payments" }),
        json!({ "aud": ["payments", "others"] }),
        json!({ "aud": [] }),
        json!({ "aud": null }),
        json!({ "exp": now() - 31 }),
        json!({ "exp": null }),
        json!({ "exp": "9999999999" }),
        json!({ "nbf": now() + 60 }),
        json!({ "nbf": "now" }),
        json!({ "sub": "0" }),
        json!({ "sub": "0123" }),
        json!({ "sub": 123 }),
        json!({ "sub": "alice" }),
        json!({ "sub": "9223372036854775808" }),
        json!({ "sub": null }),
    ] {
        tokens.push((claim.to_string(), signer.token(changed(claims(), claim))));
    }
    for header in [
        json!({ "typ": "id+jwt" }),
        json!({ "typ": "dpop+jwt" }),
        json!({ "typ": "" }),
        json!({ "crit": ["exp"] }),
        json!({ "crit": ["b64"], "b64": false }),
        json!({ "crit": [] }),
        json!({ "alg": "HS512" }),
    ] {
        tokens.push((header.to_string(), signer.sign(&changed(signer.header(), header), &claims())));
    }
    for token in ["a.b.c", "nonsense", "..", "e30.e30.", "Bearer x"] {
        tokens.push((token.to_owned(), token.to_owned()));
    }
    let long = signer.token(changed(claims(), json!({ "padding": "x".repeat(8 * 1024) })));
    assert!(long.len() > 8 * 1024);
    tokens.push(("too long".to_owned(), long));
    assert_all_rejected(&fixture, tokens).await;
    // The same gateway accepts a valid token.
    assert_eq!(fixture.list(&signer.token(claims())).await, 200);
    let long_enough = signer.token(changed(claims(), json!({ "padding": "x".repeat(5 * 1024) })));
    assert_eq!(fixture.list(&long_enough).await, 200);
}

#[tokio::test]
async fn two_authorization_headers_are_rejected() {
    let fixture = AuthFixture::start(&[("AUTH_HS256_SECRET", SECRET)]).await;
    let good = format!("Bearer {}", Signer::secret(SECRET).token(claims()));
    let twice = [("authorization", good.as_str()), ("authorization", good.as_str())];
    let joined = format!("{good}, {good}");
    let mut known = None;
    for operation in ALL_OPERATIONS {
        assert_rejected("two headers", &fixture.gateway.call(operation, &twice).await, &mut known);
        assert_rejected(
            "two in one",
            &fixture.gateway.call(operation, &[("authorization", &joined)]).await,
            &mut known,
        );
    }
    assert!(fixture.order.last_metadata().is_empty(), "Order was called");
}

#[tokio::test]
async fn expiry_and_not_before_honour_the_leeway() {
    let signer = Signer::secret(SECRET);
    for (leeway, seconds) in [("0", 0), ("60", 60)] {
        let fixture =
            AuthFixture::start(&[("AUTH_HS256_SECRET", SECRET), ("AUTH_LEEWAY_SECONDS", leeway)]).await;
        let status = async |claim: Value| fixture.list(&signer.token(changed(claims(), claim))).await;
        // Leaves out the seconds next to the limit, which the running time of the test may cross.
        assert_eq!(status(json!({ "exp": now() + 10 - seconds })).await, 200, "{leeway}");
        assert_eq!(status(json!({ "exp": now() - seconds })).await, 401, "{leeway}");
        assert_eq!(status(json!({ "nbf": now() + seconds })).await, 200, "{leeway}");
        assert_eq!(status(json!({ "nbf": now() + 10 + seconds })).await, 401, "{leeway}");
    }
}

#[tokio::test]
async fn key_locations_in_a_token_are_ignored() {
    let ours = [Signer::ec(Some("ours"))];
    let (issuer, forger) = (Issuer::of(&ours).await, Signer::ec(Some("theirs")));
    let fixture = AuthFixture::of(&issuer).await;
    let theirs = Issuer::of(std::slice::from_ref(&forger)).await;
    let (url, jwk) = (theirs.url(), forger.jwk());
    let mut tokens = Vec::new();
    for leads in [
        json!({ "jku": url }),
        json!({ "x5u": url }),
        json!({ "jwk": jwk }),
        json!({ "x5c": ["AA=="], "jku": url }),
    ] {
        for kid in [json!("ours"), json!("theirs"), json!(url), Value::Null] {
            let header = changed(changed(forger.header(), leads.clone()), json!({ "kid": kid }));
            tokens.push((header.to_string(), forger.sign(&header, &claims())));
        }
    }
    assert_all_rejected(&fixture, tokens).await;
    assert_eq!(theirs.connection_count(), 0);
    // A valid token may contain such members; the gateway ignores them.
    let header = changed(ours[0].header(), json!({ "jku": url, "x5u": url, "jwk": jwk }));
    assert_eq!(fixture.list(&ours[0].sign(&header, &claims())).await, 200);
    assert_eq!(theirs.connection_count(), 0);
}

#[tokio::test]
async fn rejection_reason_is_logged_once_without_the_token() {
    let fixture = AuthFixture::start(&[("AUTH_HS256_SECRET", SECRET)]).await;
    let signer = Signer::secret(SECRET);
    let expired = signer.token(changed(claims(), json!({ "exp": 1 })));
    let odd = signer.token(changed(claims(), json!({ "scope": { "canary": "canary" }, "sub": "canary" })));
    for (token, why) in [(&expired, "it has expired"), (&odd, "its claims have the wrong types")] {
        let log = LogCapture::start();
        assert_eq!(fixture.list(token).await, 401);
        let lines = log.take_lines();
        let count =
            lines.iter().filter(|line| line.contains("access token rejected") && line.contains(why)).count();
        assert_eq!(count, 1, "{lines:#?}");
        for part in token.split('.').chain(["canary", SECRET]) {
            assert!(!lines.iter().any(|line| line.contains(part)), "{part}: {lines:#?}");
        }
    }
}

#[tokio::test]
async fn token_in_the_query_is_ignored() {
    let fixture = AuthFixture::start(&[("AUTH_HS256_SECRET", SECRET)]).await;
    let good = Signer::secret(SECRET).token(claims());
    let response = fixture.gateway.client.get(&format!("/orders?access_token={good}")).await;
    assert_eq!((response.status.as_u16(), response.header("www-authenticate")), (401, CHALLENGE));
}

#[tokio::test]
async fn tokens_are_ignored_without_configuration() {
    let order = crate::backend::scripted::ScriptedOrder::start().await;
    order.set_list(proto::order::ListOrdersResponse::default());
    let gateway = GatewayFixture::start(order.address).await;
    assert_eq!(gateway.call(Operation::List, &[("authorization", "Bearer nonsense")]).await.status, 200);
    assert_eq!(gateway.call(Operation::List, &[]).await.status, 200);
}
