//! Keys that sign valid and forged tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use ring::{
    hmac,
    rand::SystemRandom,
    rsa::{KeyPairComponents, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING as ES256, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use serde_json::{Value, json};

/// The modulus of the RSA key of RFC 7515, appendix A.2, a published key.
const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd\
    2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Ca\
    pHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FR\
    WyuXpoQ";
const E: &str = "AQAB";
const D: &str = "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW\
    _GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU\
    2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRu\
    OopznQ";
const P: &str = "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ou\
    Z2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc";
const Q: &str = "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmp\
    e_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc";
const DP: &str = "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk\
    3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0";
const DQ: &str = "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2\
    w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU";
const QI: &str = "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdf\
    nbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U";

/// A signing key with its key id.
pub(super) struct Signer {
    kid: Option<String>,
    key: Key,
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Secret(hmac::Key),
}

impl Signer {
    /// RS256, always with the same key, since generating an RSA key is slow.
    pub(super) fn rsa(kid: Option<&str>) -> Self {
        let [n, e, d, p, q, dp, dq, qi] = [N, E, D, P, Q, DP, DQ, QI].map(decoded);
        let public_key = PublicKeyComponents { n, e };
        let components = KeyPairComponents { public_key, d, p, q, dP: dp, dQ: dq, qInv: qi };
        Self::new(kid, Key::Rsa(Box::new(RsaKeyPair::from_components(&components).unwrap())))
    }

    /// ES256 with a new key.
    pub(super) fn ec(kid: Option<&str>) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ES256, &random).unwrap();
        Self::new(kid, Key::Ec(EcdsaKeyPair::from_pkcs8(&ES256, pkcs8.as_ref(), &random).unwrap()))
    }

    /// EdDSA with a new key.
    pub(super) fn ed(kid: Option<&str>) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::new(kid, Key::Ed(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap()))
    }

    /// HS256.
    pub(super) fn secret(secret: impl AsRef<[u8]>) -> Self {
        Self::new(None, Key::Secret(hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref())))
    }

    fn new(kid: Option<&str>, key: Key) -> Self {
        Self { kid: kid.map(str::to_owned), key }
    }

    pub(super) fn algorithm(&self) -> &'static str {
        match self.key {
            Key::Rsa(_) => "RS256",
            Key::Ec(_) => "ES256",
            Key::Ed(_) => "EdDSA",
            Key::Secret(_) => "HS256",
        }
    }

    /// The public key as a JSON Web Key.
    pub(super) fn jwk(&self) -> Value {
        let encoded = |bytes: &[u8]| BASE64URL.encode(bytes);
        let mut jwk = match &self.key {
            Key::Rsa(_) => json!({ "kty": "RSA", "n": N, "e": E }),
            Key::Ec(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y) })
            }
            Key::Ed(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(key.public_key().as_ref()) })
            }
            Key::Secret(_) => panic!("a secret is not published"),
        };
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(self.algorithm());
        if let Some(kid) = &self.kid {
            jwk["kid"] = json!(kid);
        }
        jwk
    }

    /// The default header of a token signed with this key.
    pub(super) fn header(&self) -> Value {
        let mut header = json!({ "alg": self.algorithm(), "typ": "at+jwt" });
        if let Some(kid) = &self.kid {
            header["kid"] = json!(kid);
        }
        header
    }

    /// A token with the default header.
    pub(super) fn token(&self, claims: Value) -> String {
        self.sign(&self.header(), &claims)
    }

    /// A token with any header.
    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        let signing_input = signing_input(header, claims);
        let bytes = signing_input.as_bytes();
        let signature = match &self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature).unwrap();
                signature
            }
            Key::Ec(key) => key.sign(&SystemRandom::new(), bytes).unwrap().as_ref().to_vec(),
            Key::Ed(key) => key.sign(bytes).as_ref().to_vec(),
            Key::Secret(key) => hmac::sign(key, bytes).as_ref().to_vec(),
        };
        format!("{signing_input}.{}", BASE64URL.encode(signature))
    }
}

/// The signing input of a token (RFC 7515 §2): its header and claims, encoded.
pub(super) fn signing_input(header: &Value, claims: &Value) -> String {
    [header, claims].map(|part| BASE64URL.encode(part.to_string())).join(".")
}

/// Encodings of the public key of [`Signer::rsa`] that a vulnerable library might use as an HMAC
/// secret.
pub(super) fn rsa_public_key_as_secrets() -> Vec<Vec<u8>> {
    // RSAPublicKey (RFC 8017) and SubjectPublicKeyInfo (RFC 5280), with the lengths of a 2048-bit
    // modulus and the exponent 65537.
    let n = decoded(N);
    let pkcs1 =
        [&[0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00][..], &n, &[0x02, 0x03, 0x01, 0x00, 0x01]]
            .concat();
    let algorithm =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let spki = [&[0x30, 0x82, 0x01, 0x22][..], &algorithm, &[0x03, 0x82, 0x01, 0x0f, 0x00], &pkcs1].concat();
    let text = base64::engine::general_purpose::STANDARD.encode(&spki);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    let jwk = Signer::rsa(Some("rsa")).jwk().to_string();
    vec![n, N.into(), pkcs1, spki, format!("{pem}\n").into(), pem.into(), jwk.into(), Vec::new()]
}

fn decoded(text: &str) -> Vec<u8> {
    BASE64URL.decode(text).unwrap()
}
