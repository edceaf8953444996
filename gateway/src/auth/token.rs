//! Access tokens: JSON Web Tokens (RFC 7519) in the profile of RFC 9068, verified by the practices of RFC
//! 8725.

use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, errors::ErrorKind};
use serde::Deserialize;

use super::{
    AuthError, Subject,
    key_set::{Key, KeySet},
};
use crate::limits;

/// Supported algorithms.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256];
/// Accepted values of an optional `typ`, after `application/`: a token of any kind (RFC 7519, section 5.1),
/// or an access token (RFC 9068, section 4).
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// The requirements on every token.
#[derive(Debug, Clone)]
pub(super) struct TokenRules {
    issuer: String,
    leeway_seconds: u64,
    /// One per algorithm: the library supports one family per validation.
    validations: [Validation; 4],
}

/// A token with a parsed header and an unverified signature.
pub(super) struct UnverifiedToken<'a> {
    pub(super) token: &'a str,
    header: Header,
}

/// A token with a verified signature and valid claims.
#[derive(Debug)]
pub(super) struct VerifiedToken {
    pub(super) subject: Subject,
    /// In seconds since the Unix epoch; 0 where `exp` is no whole number.
    pub(super) expires_at: u64,
    scope: Option<String>,
    scp: Option<Scopes>,
}

#[derive(Debug, Deserialize)]
struct Claims {
    /// A single text (RFC 7519, section 4.1.1); the library would accept a list as well.
    iss: String,
    sub: String,
    exp: serde_json::Number,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    scp: Option<Scopes>,
}

/// `scp`, in which some issuers send the scopes: a text like `scope`, or a list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Scopes {
    Text(String),
    List(Vec<String>),
}

impl TokenRules {
    pub(super) fn new(issuer: &str, audience: &str, leeway_seconds: u64) -> Self {
        let validations = ALGORITHMS.map(|algorithm| {
            let mut validation = Validation::new(algorithm);
            validation.leeway = leeway_seconds;
            // A token expires *on* `exp` (RFC 7519, section 4.1.4); the library would accept it for one
            // second more.
            validation.reject_tokens_expiring_in_less_than = 1;
            validation.validate_nbf = true;
            validation.set_audience(&[audience]);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            validation
        });
        Self { issuer: issuer.to_owned(), leeway_seconds, validations }
    }

    /// Verifies the signature with one of `keys`, and then the claims.
    pub(super) fn verify<'k>(
        &self,
        unverified: &UnverifiedToken<'_>,
        keys: impl Iterator<Item = &'k Key>,
    ) -> Result<VerifiedToken, AuthError> {
        for key in keys {
            let of_key = |validation: &&Validation| validation.algorithms.contains(&key.algorithm);
            let Some(validation) = self.validations.iter().find(of_key) else { continue };
            match decode::<Claims>(unverified.token, &key.decoding_key, validation) {
                Ok(decoded) => return self.validate_claims(decoded.claims),
                Err(error) if *error.kind() == ErrorKind::InvalidSignature => {}
                Err(error) => return Err(AuthError::Invalid(reason(error.kind()))),
            }
        }
        Err(AuthError::Invalid(reason(&ErrorKind::InvalidSignature)))
    }

    fn validate_claims(&self, claims: Claims) -> Result<VerifiedToken, AuthError> {
        if claims.iss != self.issuer {
            return Err(AuthError::Invalid(reason(&ErrorKind::InvalidIssuer)));
        }
        // Only the canonical decimal form, so that a user has one id.
        let user = claims.sub.parse().ok().filter(|id: &i64| id.to_string() == claims.sub);
        let user = user.filter(|id| limits::USER_ID.contains(id));
        let subject =
            user.map(Subject).ok_or(AuthError::Invalid("its sub is not a user id from 1 to 2^53 - 1"))?;
        let expires_at = claims.exp.as_u64().map_or(0, |exp| exp.saturating_add(self.leeway_seconds));
        Ok(VerifiedToken { subject, expires_at, scope: claims.scope, scp: claims.scp })
    }
}

impl<'a> UnverifiedToken<'a> {
    /// Parses the header of `token`. Parameters that refer to a key (`jwk`, `jku`, `x5c`, `x5u`) are ignored.
    pub(super) fn parse(token: &'a str) -> Result<Self, AuthError> {
        let header = decode_header(token)
            .map_err(|_| AuthError::Invalid("its header is malformed or names an unknown algorithm"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(AuthError::Invalid("its algorithm is not supported"));
        }
        // No extension is supported (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return Err(AuthError::Invalid("its header has crit"));
        }
        if header.typ.as_deref().is_some_and(|typ| !is_token_type(typ)) {
            return Err(AuthError::Invalid("its typ is not that of an access token"));
        }
        Ok(Self { token, header })
    }

    pub(super) fn is_symmetric(&self) -> bool {
        self.header.alg == Algorithm::HS256
    }

    /// The keys of `keys` that may verify it.
    pub(super) fn candidates<'k>(&self, keys: &'k KeySet) -> impl Iterator<Item = &'k Key> {
        keys.candidates(self.header.alg, self.header.kid.as_deref())
    }
}

impl VerifiedToken {
    /// Whether the token has `scope` (RFC 8693, section 4.2).
    pub(super) fn has_scope(&self, scope: &str) -> bool {
        let among = |text: &str| text.split(' ').any(|granted| granted == scope);
        let listed = match &self.scp {
            Some(Scopes::Text(text)) => among(text),
            Some(Scopes::List(list)) => list.iter().any(|granted| granted == scope),
            None => false,
        };
        listed || self.scope.as_deref().is_some_and(among)
    }
}

/// Whether `typ` is one of [`TYPES`]: a media type in any case, whose `application/` is left out where no
/// other slash follows (RFC 7515, section 4.1.9).
fn is_token_type(typ: &str) -> bool {
    let subtype = match typ.split_once('/') {
        Some((kind, subtype)) if kind.eq_ignore_ascii_case("application") => subtype,
        Some(_) => return false,
        None => typ,
    };
    TYPES.iter().any(|accepted| subtype.eq_ignore_ascii_case(accepted))
}

/// The library's error in words that contain nothing of the token.
fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "its signature is invalid",
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidIssuer => "its issuer is another one",
        ErrorKind::InvalidAudience => "its audience is another one",
        ErrorKind::MissingRequiredClaim(_) => "it lacks exp, iss, aud or sub",
        ErrorKind::InvalidClaimFormat(_) => "its exp or nbf is not a time",
        ErrorKind::Json(_) => "its claims have the wrong types",
        _ => "it is not a signed JWT",
    }
}

/// A verified token without scopes.
#[cfg(test)]
pub(super) fn verified(subject: Subject, expires_at: u64) -> VerifiedToken {
    VerifiedToken { subject, expires_at, scope: None, scp: None }
}

#[cfg(test)]
mod tests;
