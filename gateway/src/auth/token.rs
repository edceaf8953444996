//! Access tokens: JSON Web Tokens (RFC 7519) as RFC 9068 shapes them, checked by the practices of RFC 8725.

use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, errors::ErrorKind};
use serde::Deserialize;

use super::{
    AuthError, Subject,
    key_set::{Key, KeySet},
};
use crate::limits;

/// The algorithms that are taken.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256];
/// What `typ` may be, where it is there: a token of any kind, or an access token (RFC 9068, section 4).
const TYPES: [&str; 3] = ["JWT", "at+jwt", "application/at+jwt"];

/// What every token must say.
#[derive(Debug, Clone)]
pub(super) struct TokenRules {
    issuer: String,
    leeway_seconds: u64,
    /// One for each algorithm: the library holds a token against those of one family only.
    validations: [Validation; 4],
}

/// A token whose header was read and whose signature was not checked.
pub(super) struct UnverifiedToken<'a> {
    pub(super) token: &'a str,
    header: Header,
}

/// A token that may be believed.
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
    /// The library would take a list of issuers too; it is one (RFC 7519, section 4.1.1).
    iss: String,
    sub: String,
    exp: serde_json::Number,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    scp: Option<Scopes>,
}

/// `scp`, as some issuers write scopes: a text as `scope` is, or a list.
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
            // Expired *on* its last second (RFC 7519, section 4.1.4), where the library would give it that one too.
            validation.reject_tokens_expiring_in_less_than = 1;
            validation.validate_nbf = true;
            validation.set_audience(&[audience]);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            validation
        });
        Self { issuer: issuer.to_owned(), leeway_seconds, validations }
    }

    /// What the token says, if one of `keys` has signed it and it is meant for here and now.
    pub(super) fn verify<'k>(
        &self,
        unverified: &UnverifiedToken<'_>,
        keys: impl Iterator<Item = &'k Key>,
    ) -> Result<VerifiedToken, AuthError> {
        for key in keys {
            let of_key = |validation: &&Validation| validation.algorithms.contains(&key.algorithm);
            let Some(validation) = self.validations.iter().find(of_key) else { continue };
            match decode::<Claims>(unverified.token, &key.decoding, validation) {
                Ok(decoded) => return self.validate_claims(decoded.claims),
                Err(error) if *error.kind() == ErrorKind::InvalidSignature => {}
                Err(error) => return Err(AuthError::Invalid(why(error.kind()))),
            }
        }
        Err(AuthError::Invalid(why(&ErrorKind::InvalidSignature)))
    }

    fn validate_claims(&self, claims: Claims) -> Result<VerifiedToken, AuthError> {
        if claims.iss != self.issuer {
            return Err(AuthError::Invalid(why(&ErrorKind::InvalidIssuer)));
        }
        // One text for one user, as the database and the logs write it.
        let user = claims.sub.parse().ok().filter(|id: &i64| id.to_string() == claims.sub);
        let user = user.filter(|id| limits::USER_ID.contains(id));
        let subject = user.map(Subject).ok_or(AuthError::Invalid("its sub is no user id"))?;
        let expires_at = claims.exp.as_u64().map_or(0, |exp| exp.saturating_add(self.leeway_seconds));
        Ok(VerifiedToken { subject, expires_at, scope: claims.scope, scp: claims.scp })
    }
}

impl<'a> UnverifiedToken<'a> {
    /// Reads the header of `token`. Parameters that lead to a key (`jwk`, `jku`, `x5c`, `x5u`) are not looked at.
    pub(super) fn parse(token: &'a str) -> Result<Self, AuthError> {
        let header = decode_header(token).map_err(|_| {
            AuthError::Invalid("its header cannot be read, or has an algorithm that nobody knows")
        })?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(AuthError::Invalid("its algorithm is not taken here"));
        }
        // RFC 7515, section 4.1.11: no extension is understood here.
        if header.crit.is_some() {
            return Err(AuthError::Invalid("its header has crit"));
        }
        let typ = header.typ.as_deref();
        if typ.is_some_and(|typ| !TYPES.iter().any(|taken| typ.eq_ignore_ascii_case(taken))) {
            return Err(AuthError::Invalid("its typ is of something else than an access token"));
        }
        Ok(Self { token, header })
    }

    pub(super) fn is_symmetric(&self) -> bool {
        self.header.alg == Algorithm::HS256
    }

    /// The keys of a set that it may be signed with.
    pub(super) fn candidates<'k>(&self, keys: &'k KeySet) -> impl Iterator<Item = &'k Key> {
        keys.of(self.header.alg, self.header.kid.as_deref())
    }
}

impl VerifiedToken {
    /// Whether the token is for `scope` (RFC 8693, section 4.2).
    pub(super) fn permits(&self, scope: &str) -> bool {
        let among = |text: &str| text.split(' ').any(|granted| granted == scope);
        let listed = match &self.scp {
            Some(Scopes::Text(text)) => among(text),
            Some(Scopes::List(list)) => list.iter().any(|granted| granted == scope),
            None => false,
        };
        listed || self.scope.as_deref().is_some_and(among)
    }
}

/// What the library found wrong, in words that hold nothing of the token.
fn why(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "no key that it may be signed with has signed it",
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidIssuer => "it is of another issuer",
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::MissingRequiredClaim(_) => "it lacks exp, iss, aud or sub",
        ErrorKind::InvalidClaimFormat(_) => "its exp or nbf is no time",
        ErrorKind::Json(_) => "its claims are not of the form that they must have",
        _ => "it is no signed JWT",
    }
}

/// A token that was verified, of nothing but this.
#[cfg(test)]
pub(super) fn verified(subject: Subject, expires_at: u64) -> VerifiedToken {
    VerifiedToken { subject, expires_at, scope: None, scp: None }
}

#[cfg(test)]
mod tests;
