//! Key sets (JWKS, RFC 7517). The key, and never the token, determines the one algorithm by which it verifies
//! (RFC 8725, section 3.1).

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;

use super::cryptography;
use crate::limits;

/// A key that verifies tokens.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// `kid`
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding_key: DecodingKey,
}

/// The usable keys of one JWKS document; at least one, at most [`limits::KEYS_MAX`].
#[derive(Debug, Clone)]
pub(super) struct KeySet(Vec<Key>);

/// A parsed document: the usable keys, and why the others are ignored.
#[derive(Debug)]
pub(super) struct ParsedKeySet {
    pub(super) keys: KeySet,
    /// A line for each ignored key: its position and the reason.
    pub(super) ignored: Vec<String>,
}

/// Why a document has no usable key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeySetError {
    #[error("it is not a JSON object with an array \"keys\"")]
    Malformed,
    #[error("it has no key for RS256, ES256 or EdDSA{}", .0.iter().map(|line| format!("; {line}")).collect::<String>())]
    Empty(Vec<String>),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// Parses a document. Keys that are not for signatures by a supported algorithm are ignored (RFC 7517,
    /// section 5).
    pub(super) fn parse(document: &[u8]) -> Result<ParsedKeySet, KeySetError> {
        let document: Document = serde_json::from_slice(document).map_err(|_| KeySetError::Malformed)?;
        let (mut keys, mut ignored) = (Vec::new(), Vec::new());
        for (index, value) in document.keys.into_iter().enumerate() {
            let key = match serde_json::from_value::<Jwk>(value) {
                Ok(_) if keys.len() == limits::KEYS_MAX => Err("the key set has too many keys"),
                Ok(jwk) => Key::from_jwk(&jwk),
                Err(_) => Err("it is not a JSON Web Key"),
            };
            match key {
                Ok(key) => keys.push(key),
                Err(why) => ignored.push(format!("key {}: {why}", index + 1)),
            }
        }
        ignored.truncate(limits::KEYS_MAX);
        if keys.is_empty() {
            Err(KeySetError::Empty(ignored))
        } else {
            Ok(ParsedKeySet { keys: Self(keys), ignored })
        }
    }

    /// The keys that may verify a token of `algorithm`; `id` is the `kid` of the token.
    pub(super) fn candidates(&self, algorithm: Algorithm, id: Option<&str>) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| {
            key.algorithm == algorithm && id.is_none_or(|id| key.id.as_deref() == Some(id))
        })
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Key {
    /// The key for HS256, a shared secret.
    pub(super) fn secret(secret: &[u8]) -> Self {
        Self { id: None, algorithm: Algorithm::HS256, decoding_key: DecodingKey::from_secret(secret) }
    }

    /// Converts a JSON Web Key, or returns why it is ignored.
    fn from_jwk(jwk: &Jwk) -> Result<Self, &'static str> {
        let common = &jwk.common;
        if common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
            return Err("its use is not sig");
        }
        if common
            .key_operations
            .as_ref()
            .is_some_and(|operations| !operations.contains(&KeyOperations::Verify))
        {
            return Err("its key_ops lack verify");
        }
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
            AlgorithmParameters::OctetKey(_) => {
                return Err("it is a secret; configure it as AUTH_HS256_SECRET");
            }
            _ => return Err("it is none of RSA, EC P-256 and OKP Ed25519"),
        };
        if common.key_algorithm.is_some_and(|alg| alg != KeyAlgorithm::from(algorithm)) {
            return Err("its alg is not RS256 (RSA), ES256 (EC) or EdDSA (OKP)");
        }
        let decoding_key = DecodingKey::from_jwk(jwk).map_err(|_| "it is not base64url")?;
        match cryptography::fault(&decoding_key) {
            None => Ok(Self { id: common.key_id.clone(), algorithm, decoding_key }),
            Some(fault) => Err(fault),
        }
    }
}

#[cfg(test)]
mod tests;
