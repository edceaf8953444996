//! Who may order: access tokens (JWT) of the issuer that the operator trusts, and what they permit.
//!
//! `Auth::admit` is what `admission` asks: it lets a request in whose token is good and permits what
//! the method does, and says whose it is by the extension `Subject`. What is that user's own is for the handlers to
//! say. A token passes `bearer` (the header), `token` (the JWT), and a key of `key_set` that `keys` has read from a
//! `source`; the signature is checked by `jsonwebtoken` over `cryptography`, once: what passed is kept as `good`.
//!
//! One answer is given for every token that is refused, so that nobody learns from it what to try next; why is logged,
//! and the token is not.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::extract::Request;
use grpc_client::Deadline;
use http::{Extensions, HeaderMap, HeaderValue, Method};
use service_kit::admin::Readiness;
use tokio::{task::JoinSet, time::timeout_at};

use crate::problem::Problem;
use key_cache::KeyCache;
use key_set::{Key, KeySet};
use token::{TokenRules, UnverifiedToken, VerifiedToken};
use token_cache::TokenCache;

mod bearer;
pub mod config;
mod cryptography;
mod key_cache;
mod key_set;
mod source;
mod token;
mod token_cache;

pub use config::Config;

/// What a token must permit to read orders, and to place them.
pub(crate) const SCOPE_READ: &str = "orders:read";
/// See [`SCOPE_READ`].
pub(crate) const SCOPE_WRITE: &str = "orders:write";

/// What is said of a token that was sent and is not good (RFC 6750, section 3.1).
const INVALID_TOKEN: HeaderValue = HeaderValue::from_static("Bearer error=\"invalid_token\"");

/// The user whose token a request has; an extension of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject(pub(crate) i64);

/// Why a request is not let in.
#[derive(Debug, PartialEq, Eq)]
enum AuthError {
    /// It has no token.
    Missing,
    /// Its token is not good; why is for the log.
    Invalid(&'static str),
    /// Its token is good, and not for this.
    Insufficient(&'static str),
    /// Nobody can tell at the moment.
    Unavailable,
}

/// The authentication of one gateway.
#[derive(Debug)]
pub(crate) struct Auth(Option<Authenticator>);

#[derive(Debug)]
struct Authenticator {
    rules: TokenRules,
    keys: Option<Arc<KeyCache>>,
    secret: Option<Key>,
    good: TokenCache,
}

/// The user whose token the request with these extensions has; `None` where the operator wants none.
pub(crate) fn user(extensions: &Extensions) -> Option<i64> {
    extensions.get().map(|Subject(user)| *user)
}

impl Auth {
    /// Lets a request in whose token permits it, or any where the operator wants none, and says whose it is by the
    /// extension [`Subject`].
    ///
    /// # Errors
    ///
    /// 401, 403, or 503 where the token cannot be checked.
    pub(crate) async fn authenticate(&self, request: &mut Request) -> Result<(), Problem> {
        if let Some(checks) = &self.0 {
            let scope = if request.method() == Method::POST { SCOPE_WRITE } else { SCOPE_READ };
            let deadline = request.extensions().get::<Deadline>().copied();
            let subject =
                checks.subject(request.headers(), scope, deadline).await.map_err(AuthError::tell)?;
            request.extensions_mut().insert(subject);
        }
        Ok(())
    }

    pub(crate) fn new(config: &Config) -> Self {
        cryptography::install();
        Self(config.jwt.as_ref().map(|jwt| Authenticator {
            rules: jwt.rules.clone(),
            keys: jwt.key_set.clone().map(|(source, first)| Arc::new(KeyCache::new(source, first))),
            secret: jwt.secret.clone(),
            good: TokenCache::default(),
        }))
    }

    /// Keeps the issuer's keys fresh until what is returned is dropped; `readiness` says whether there are any.
    pub(crate) fn refresh_keys(&self, readiness: &Readiness) -> JoinSet<()> {
        let mut following = JoinSet::new();
        if let Some(keys) = self.0.as_ref().and_then(|checks| checks.keys.clone()) {
            let readiness = readiness.clone();
            following.spawn(async move { keys.refresh_forever(&readiness).await });
        }
        following
    }
}

impl Authenticator {
    async fn subject(
        &self,
        headers: &HeaderMap,
        scope: &'static str,
        deadline: Option<Deadline>,
    ) -> Result<Subject, AuthError> {
        let token = bearer::token(headers)?;
        let keys = self.keys.as_ref().and_then(|keys| keys.known().keys);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs());
        let verified = match self.good.find(token, keys.as_ref(), now) {
            Some(verified) => verified,
            None => self.check(&UnverifiedToken::parse(token)?, keys, deadline).await?,
        };
        if verified.permits(scope) { Ok(verified.subject) } else { Err(AuthError::Insufficient(scope)) }
    }

    /// Authenticator a token that was not found good before, when `known` were the issuer's keys.
    async fn check(
        &self,
        token: &UnverifiedToken<'_>,
        known: Option<Arc<KeySet>>,
        deadline: Option<Deadline>,
    ) -> Result<Arc<VerifiedToken>, AuthError> {
        let (verified, keys) = match &self.keys {
            _ if token.is_symmetric() => (self.rules.verify(token, self.secret.iter())?, known),
            Some(keys) => {
                let (verified, newest) = self.verify(token, keys, deadline).await?;
                (verified, Some(newest))
            }
            None => return Err(AuthError::Invalid("there are no keys of its algorithm")),
        };
        let verified = Arc::new(verified);
        self.good.insert(token.token, keys.as_ref(), &verified);
        Ok(verified)
    }

    /// Authenticator a token by the issuer's keys, which it returns too. One of an unknown key waits for a look at whether the
    /// issuer has a new one.
    async fn verify(
        &self,
        token: &UnverifiedToken<'_>,
        keys: &KeyCache,
        deadline: Option<Deadline>,
    ) -> Result<(VerifiedToken, Arc<KeySet>), AuthError> {
        let mut known = keys.known();
        let is_unknown = known.keys.as_ref().is_some_and(|keys| token.candidates(keys).next().is_none());
        if is_unknown {
            let look = keys.refresh_once();
            known = match deadline {
                Some(Deadline(at)) => timeout_at(at, look).await.map_err(|_| AuthError::Unavailable)?,
                None => look.await,
            };
        }
        let set = known.keys.ok_or(AuthError::Unavailable)?;
        let mut candidates = token.candidates(&set).peekable();
        match candidates.peek() {
            Some(_) => Ok((self.rules.verify(token, candidates)?, set.clone())),
            None if known.stale => Err(AuthError::Unavailable),
            None => Err(AuthError::Invalid("the issuer has no such key")),
        }
    }
}

impl AuthError {
    fn tell(self) -> Problem {
        match self {
            Self::Missing => Problem::unauthenticated(),
            Self::Invalid(why) => {
                tracing::info!(why, "a token was refused");
                Problem::unauthenticated().with_header(http::header::WWW_AUTHENTICATE, INVALID_TOKEN)
            }
            Self::Insufficient(scope) => Problem::insufficient_scope(scope),
            Self::Unavailable => {
                tracing::warn!("a token cannot be checked without newer keys of the issuer");
                Problem::not_started()
                    .with_detail("Tokens cannot be checked at the moment; nothing was done.")
            }
        }
    }
}
