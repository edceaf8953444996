//! Key sets, and the examples of the RFCs by the cryptography that is used.

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

fn with(mut key: Value, further: Value) -> Value {
    key.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    key
}

fn read(keys: &[Value]) -> Result<Read, KeySetError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

/// Why the only key of a document is not used.
fn refused(key: Value) -> String {
    match read(std::slice::from_ref(&key)) {
        Err(KeySetError::Empty(lines)) => lines.concat(),
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn the_signatures_of_the_rfcs_are_good_by_their_own_keys_and_algorithms_alone() {
    cryptography::install();
    let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let secret = Jwk::deserialize(json!({ "kty": "oct", "k": secret })).unwrap();
    let keys = read(&[rsa(), ec(), ed()]).unwrap().keys.0;
    let [rsa, ec, ed] = keys.try_into().unwrap();
    let secret =
        Key { id: None, algorithm: Algorithm::HS256, decoding: DecodingKey::from_jwk(&secret).unwrap() };
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
        let good = |key: &Key, algorithm, message: &str| {
            verify(signature, message.as_bytes(), &key.decoding, algorithm).unwrap_or_default()
        };
        assert!(good(key, key.algorithm, message), "{:?}", key.algorithm);
        assert!(!good(key, key.algorithm, &message.replacen("ey", "ez", 1)), "{:?}", key.algorithm);
        for (other, ..) in examples.iter().filter(|(other, ..)| other.algorithm != key.algorithm) {
            assert!(!good(other, other.algorithm, message) && !good(key, other.algorithm, message));
        }
    }
}

#[test]
fn a_key_is_found_by_its_id_and_by_the_one_algorithm_that_it_is_for() {
    let keys = [with(rsa(), json!({ "kid": "a" })), with(ec(), json!({ "kid": "a" })), ed()];
    let keys = read(&keys).unwrap().keys;
    let found = |algorithm, id: Option<&str>| keys.of(algorithm, id).count();
    assert_eq!([found(Algorithm::RS256, Some("a")), found(Algorithm::ES256, Some("a"))], [1, 1]);
    assert_eq!([found(Algorithm::RS256, None), found(Algorithm::EdDSA, None)], [1, 1]);
    // A key without an id is not the one that a token names.
    assert_eq!([found(Algorithm::EdDSA, Some("a")), found(Algorithm::RS256, Some("b"))], [0, 0]);
    assert_eq!([found(Algorithm::HS256, None), found(Algorithm::PS256, None)], [0, 0]);
}

#[test]
fn what_a_key_says_of_itself_is_heeded() {
    for further in [
        json!({ "use": "sig" }),
        json!({ "alg": "RS256" }),
        json!({ "key_ops": ["verify"] }),
        json!({ "x5c": ["AA=="], "x5t": "AA", "x5u": "https://elsewhere.example/", "extra": 1 }),
    ] {
        assert!(read(&[with(rsa(), further.clone())]).is_ok(), "{further}");
    }
    for further in [
        json!({ "use": "enc" }),
        json!({ "key_ops": ["encrypt"] }),
        json!({ "key_ops": [] }),
        json!({ "alg": "RS512" }),
        json!({ "alg": "PS256" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "none" }),
        json!({ "alg": "RSA-OAEP" }),
    ] {
        assert!(!refused(with(rsa(), further)).is_empty());
    }
}

#[test]
fn what_can_verify_nothing_is_not_used() {
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
        assert!(refused(key).starts_with("key 1: it"));
    }
}

#[test]
fn keys_that_are_not_used_do_not_keep_the_others_from_being() {
    let keys = read(&[json!({ "kty": "quantum" }), ec(), with(rsa(), json!({ "use": "enc" }))]).unwrap();
    assert_eq!((keys.keys.len(), keys.ignored.len()), (1, 2));
    let many = read(&vec![ed(); limits::KEYS_MAX + 1]).unwrap();
    assert_eq!((many.keys.len(), many.ignored.len()), (limits::KEYS_MAX, 1));
}

#[test]
fn what_is_no_key_set_is_refused() {
    for document in ["", "[]", "{}", "{\"keys\":{}}", "<html>", "{\"keys\":[]} x"] {
        assert_eq!(KeySet::parse(document.as_bytes()).unwrap_err(), KeySetError::Malformed, "{document}");
    }
    assert_eq!(KeySet::parse(b"{\"keys\":[]}").unwrap_err(), KeySetError::Empty(Vec::new()));
}

#[test]
fn a_secret_is_shown_to_nobody() {
    let key = Key::secret(b"0123456789abcdef0123456789abcdef");
    assert!(!format!("{key:?}").contains("0123") && !format!("{key:?}").contains("48"), "{key:?}");
}
