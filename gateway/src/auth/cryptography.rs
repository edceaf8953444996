//! The cryptography of `jsonwebtoken`: ring, which TLS uses too, so that the gateway contains one such
//! library. It supports verification alone, by the supported algorithms alone.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::ErrorKind,
    signature,
};
use ring::{
    error::Unspecified,
    hmac,
    signature::{ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};

static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| match algorithm.family() == key.family() {
        true => Ok(Box::new(Verifier { algorithm: *algorithm, key: key.clone() })),
        false => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    // Converts keys into key sets: not used.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes ring the cryptography of `jsonwebtoken`, once per process: further calls have no effect.
pub(super) fn install() {
    let _ = RING.install_default();
}

/// A key and its algorithm, both of one family.
struct Verifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for Verifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl signature::Verifier<Vec<u8>> for Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match (self.algorithm, self.key.kind()) {
            (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                let key = ring::signature::RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            (Algorithm::ES256, DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(&ED25519, point).verify(message, signature)
            }
            (Algorithm::HS256, DecodingKeyKind::SecretOrDer(secret)) => {
                hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), message, signature)
            }
            _ => Err(Unspecified),
        };
        verified.map_err(|Unspecified| signature::Error::new())
    }
}

/// Why `key` can verify no signature; `None` if it can. ring itself would reject every signature without a
/// reason.
pub(super) fn fault(key: &DecodingKey) -> Option<&'static str> {
    match (key.family(), key.kind()) {
        (AlgorithmFamily::Rsa, DecodingKeyKind::RsaModulusExponent { n, .. }) => {
            // ring requires 2048 to 8192 bits without leading zeros (RFC 7518, section 6.3.1.1).
            let fits = (256..=1024).contains(&n.len()) && n.first().is_some_and(|&first| first != 0);
            let fits = fits && (n.len() > 256 || n.first().is_some_and(|&first| first >= 0x80));
            (!fits).then_some("its modulus does not have 2048 to 8192 bits")
        }
        (AlgorithmFamily::Ec, DecodingKeyKind::SecretOrDer(point)) => {
            (point.len() != 65).then_some("its point does not have 64 bytes")
        }
        (AlgorithmFamily::Ed, DecodingKeyKind::SecretOrDer(point)) => {
            (point.len() != 32).then_some("its point does not have 32 bytes")
        }
        _ => Some("its kind does not match its family"),
    }
}
