//! Key sets (JWKS, RFC 7517): which keys may verify a token, each by one algorithm, which is the key's and never the
//! token's to choose (RFC 8725, section 3.1).

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
    pub(super) decoding: DecodingKey,
}

/// The keys of one document; at least one, at most [`limits::KEYS_MAX`].
#[derive(Debug, Clone)]
pub(super) struct KeySet(Vec<Key>);

/// What was made of a document.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) keys: KeySet,
    /// A line for each of its keys that is not used.
    pub(super) ignored: Vec<String>,
}

/// A document that gives no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeySetError {
    #[error("it is no JSON object with an array \"keys\"")]
    Malformed,
    #[error("there is no key in it that verifies RS256, ES256 or EdDSA{}", .0.iter().map(|line| format!("; {line}")).collect::<String>())]
    Empty(Vec<String>),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// Reads a document. What in it is no key for signatures of a kind that is taken here is ignored, as RFC 7517,
    /// section 5, asks for.
    pub(super) fn parse(document: &[u8]) -> Result<Read, KeySetError> {
        let document: Document = serde_json::from_slice(document).map_err(|_| KeySetError::Malformed)?;
        let (mut keys, mut ignored) = (Vec::new(), Vec::new());
        for (index, value) in document.keys.into_iter().enumerate() {
            let read = match serde_json::from_value::<Jwk>(value) {
                Ok(_) if keys.len() == limits::KEYS_MAX => Err("it is one too many"),
                Ok(jwk) => Key::of(&jwk),
                Err(_) => Err("it is no JSON Web Key"),
            };
            match read {
                Ok(key) => keys.push(key),
                Err(why) => ignored.push(format!("key {}: {why}", index + 1)),
            }
        }
        ignored.truncate(limits::KEYS_MAX);
        if keys.is_empty() {
            Err(KeySetError::Empty(ignored))
        } else {
            Ok(Read { keys: Self(keys), ignored })
        }
    }

    /// The keys that a token of `algorithm` may be signed with, which names the key `id` or none.
    pub(super) fn of(&self, algorithm: Algorithm, id: Option<&str>) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| {
            key.algorithm == algorithm && id.is_none_or(|id| key.id.as_deref() == Some(id))
        })
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Key {
    /// The one key of HS256.
    pub(super) fn secret(secret: &[u8]) -> Self {
        Self { id: None, algorithm: Algorithm::HS256, decoding: DecodingKey::from_secret(secret) }
    }

    /// The key that a JSON Web Key is, or why it is not used.
    fn of(jwk: &Jwk) -> Result<Self, &'static str> {
        let common = &jwk.common;
        if common.public_key_use.as_ref().is_some_and(|given| *given != PublicKeyUse::Signature) {
            return Err("its use is not sig");
        }
        if common.key_operations.as_ref().is_some_and(|given| !given.contains(&KeyOperations::Verify)) {
            return Err("its key_ops do not hold verify");
        }
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(given) if given.curve == EllipticCurve::P256 => {
                Algorithm::ES256
            }
            AlgorithmParameters::OctetKeyPair(given) if given.curve == EllipticCurve::Ed25519 => {
                Algorithm::EdDSA
            }
            AlgorithmParameters::OctetKey(_) => {
                return Err("it is a secret, which is given by AUTH_HS256_SECRET");
            }
            _ => return Err("it is of no kind that is taken (RSA, EC P-256, OKP Ed25519)"),
        };
        if common.key_algorithm.is_some_and(|given| given != KeyAlgorithm::from(algorithm)) {
            return Err("its alg is another than RS256 (RSA), ES256 (EC) or EdDSA (OKP)");
        }
        let decoding = DecodingKey::from_jwk(jwk).map_err(|_| "it is not in base64url")?;
        match cryptography::fault(&decoding) {
            None => Ok(Self { id: common.key_id.clone(), algorithm, decoding }),
            Some(fault) => Err(fault),
        }
    }
}

#[cfg(test)]
mod tests;
