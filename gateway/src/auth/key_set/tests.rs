//! Key sets, and the RFCs' example signatures with ring.

use jsonwebtoken::crypto::verify;
use serde_json::{Value, json};

use super::*;

/// The public keys of RFC 7515, appendices A.2 and A.3, and of RFC 8037, appendix A.2.
fn rsa() -> Value {
    json!({ "kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2\
        mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA\
        9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethF\
        kMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" })
}

fn ec() -> Value {
    json!({ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" })
}

fn ed() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
}

fn with(mut key: Value, members: Value) -> Value {
    key.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    key
}

fn parse(keys: &[Value]) -> Result<ParsedKeySet, KeySetError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

/// Why the only key of a document is ignored.
fn ignored(key: Value) -> String {
    match parse(std::slice::from_ref(&key)) {
        Err(KeySetError::Empty(lines)) => lines.concat(),
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn the_rfcs_signatures_verify_by_their_own_keys_and_algorithms_only() {
    cryptography::install();
    let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let secret = Jwk::deserialize(json!({ "kty": "oct", "k": secret })).unwrap();
    let keys = parse(&[rsa(), ec(), ed()]).unwrap().keys.0;
    let [rsa, ec, ed] = keys.try_into().unwrap();
    let secret =
        Key { id: None, algorithm: Algorithm::HS256, decoding_key: DecodingKey::from_jwk(&secret).unwrap() };
    let joe =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let examples = [
        (
            &secret,
            format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{joe}"),
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ),
        (
            &rsa,
            format!("eyJhbGciOiJSUzI1NiJ9.{joe}"),
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU\
             Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_d\
             O--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig\
             cN_IoypGlUPQGe77Rw",
        ),
        (
            &ec,
            format!("eyJhbGciOiJFUzI1NiJ9.{joe}"),
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            &ed,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".to_owned(),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ];
    for (key, message, signature) in &examples {
        let verifies = |key: &Key, algorithm, message: &str| {
            verify(signature, message.as_bytes(), &key.decoding_key, algorithm).unwrap_or_default()
        };
        assert!(verifies(key, key.algorithm, message), "{:?}", key.algorithm);
        assert!(!verifies(key, key.algorithm, &message.replacen("ey", "ez", 1)), "{:?}", key.algorithm);
        for (other, ..) in examples.iter().filter(|(other, ..)| other.algorithm != key.algorithm) {
            assert!(!verifies(other, other.algorithm, message) && !verifies(key, other.algorithm, message));
        }
    }
}

#[test]
fn a_key_is_found_by_its_id_and_its_algorithm() {
    let keys = [with(rsa(), json!({ "kid": "a" })), with(ec(), json!({ "kid": "a" })), ed()];
    let keys = parse(&keys).unwrap().keys;
    let found = |algorithm, id: Option<&str>| keys.candidates(algorithm, id).count();
    assert_eq!([found(Algorithm::RS256, Some("a")), found(Algorithm::ES256, Some("a"))], [1, 1]);
    assert_eq!([found(Algorithm::RS256, None), found(Algorithm::EdDSA, None)], [1, 1]);
    // A key without an id is no candidate for a token with one.
    assert_eq!([found(Algorithm::EdDSA, Some("a")), found(Algorithm::RS256, Some("b"))], [0, 0]);
    assert_eq!([found(Algorithm::HS256, None), found(Algorithm::PS256, None)], [0, 0]);
}

#[test]
fn use_key_ops_and_alg_of_a_key_are_respected() {
    for members in [
        json!({ "use": "sig" }),
        json!({ "alg": "RS256" }),
        json!({ "key_ops": ["verify"] }),
        json!({ "x5c": ["AA=="], "x5t": "AA", "x5u": "https://elsewhere.example/", "extra": 1 }),
    ] {
        assert!(parse(&[with(rsa(), members.clone())]).is_ok(), "{members}");
    }
    for members in [
        json!({ "use": "enc" }),
        json!({ "key_ops": ["encrypt"] }),
        json!({ "key_ops": [] }),
        json!({ "alg": "RS512" }),
        json!({ "alg": "PS256" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "none" }),
        json!({ "alg": "RSA-OAEP" }),
    ] {
        assert!(!ignored(with(rsa(), members)).is_empty());
    }
}

#[test]
fn a_key_that_can_verify_nothing_is_ignored() {
    let oct = json!({ "kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T" });
    for key in [
        oct,
        json!({ "kty": "RSA", "e": "AQAB", "n": "A".repeat(342) }),
        json!({ "kty": "RSA", "e": "AQAB", "n": "_".repeat(171) }),
        with(ec(), json!({ "crv": "P-384" })),
        with(ec(), json!({ "crv": "secp256k1" })),
        with(ec(), json!({ "x": "AAAA" })),
        with(ed(), json!({ "crv": "X25519" })),
        with(ed(), json!({ "x": "AAAA" })),
        with(ed(), json!({ "x": "no base64!" })),
        json!({ "kty": "quantum" }),
        json!("key"),
        json!(null),
    ] {
        assert!(ignored(key).starts_with("key 1: it"));
    }
}

#[test]
fn ignored_keys_do_not_affect_the_others() {
    let keys = parse(&[json!({ "kty": "quantum" }), ec(), with(rsa(), json!({ "use": "enc" }))]).unwrap();
    assert_eq!((keys.keys.len(), keys.ignored.len()), (1, 2));
    let many = parse(&vec![ed(); limits::KEYS_MAX + 1]).unwrap();
    assert_eq!((many.keys.len(), many.ignored.len()), (limits::KEYS_MAX, 1));
}

#[test]
fn a_text_that_is_no_key_set_is_rejected() {
    for document in ["", "[]", "{}", "{\"keys\":{}}", "<html>", "{\"keys\":[]} x"] {
        assert_eq!(KeySet::parse(document.as_bytes()).unwrap_err(), KeySetError::Malformed, "{document}");
    }
    assert_eq!(KeySet::parse(b"{\"keys\":[]}").unwrap_err(), KeySetError::Empty(Vec::new()));
}

#[test]
fn debug_output_does_not_contain_the_secret() {
    let key = Key::secret(b"0123456789abcdef0123456789abcdef");
    assert!(!format!("{key:?}").contains("0123") && !format!("{key:?}").contains("48"), "{key:?}");
}
