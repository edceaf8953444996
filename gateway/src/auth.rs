//! Authentication: access tokens (JWT) of a trusted issuer, and their scopes.
//!
//! `admission` calls `Auth::authenticate`, which accepts a request whose token is valid and has the scope of
//! its method, and inserts the user as the extension `Subject`. Handlers decide which orders belong to that
//! user. `bearer` reads the header, `token` verifies the JWT with a key of a `key_set`, which `key_cache`
//! reads from a `source`. `jsonwebtoken` verifies signatures with the algorithms of `cryptography`, once per
//! token: `token_cache` holds the outcome.
//!
//! Every rejected token gets the same response, so that a client cannot learn from it what to try next. The
//! reason is logged, the token is not.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::extract::Request;
use grpc_client::Deadline;
use http::{Extensions, HeaderMap, Method};
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

/// The scope for reading orders.
pub(crate) const SCOPE_READ: &str = "orders:read";
/// The scope for placing orders.
pub(crate) const SCOPE_WRITE: &str = "orders:write";

/// The authenticated user of a request, an extension of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject(pub(crate) i64);

/// Why a request is not authenticated.
#[derive(Debug, PartialEq, Eq)]
enum AuthError {
    /// It has no token.
    Missing,
    /// Its token is invalid; the reason is for the log.
    Invalid(&'static str),
    /// Its token is valid and lacks this scope.
    InsufficientScope(&'static str),
    /// The issuer's keys cannot be read at the moment.
    Unavailable,
}

/// The authentication of one gateway; `None` where it is disabled.
pub(crate) struct Auth(Option<Authenticator>);

struct Authenticator {
    rules: TokenRules,
    /// The issuer's keys.
    keys: Option<Arc<KeyCache>>,
    /// The key of HS256.
    secret: Option<Key>,
    cache: TokenCache,
}

/// The authenticated user of the request with these extensions; `None` where authentication is disabled.
pub(crate) fn user(extensions: &Extensions) -> Option<i64> {
    extensions.get().map(|Subject(user)| *user)
}

impl Auth {
    /// Accepts a request whose token is valid and has the scope of the request's method, and inserts its
    /// [`Subject`] as an extension. Accepts every request where authentication is disabled.
    ///
    /// # Errors
    ///
    /// 401; 403 for a missing scope; 503 where the token cannot be verified at the moment.
    pub(crate) async fn authenticate(&self, request: &mut Request) -> Result<(), Problem> {
        if let Some(authenticator) = &self.0 {
            let scope = if request.method() == Method::POST { SCOPE_WRITE } else { SCOPE_READ };
            let deadline = request.extensions().get::<Deadline>().copied();
            let subject = authenticator.subject(request.headers(), scope, deadline).await?;
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
            cache: TokenCache::default(),
        }))
    }

    /// Refreshes the issuer's keys until the returned set is dropped. `readiness` shows whether there are
    /// any.
    pub(crate) fn refresh_keys(&self, readiness: &Readiness) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        if let Some(keys) = self.0.as_ref().and_then(|authenticator| authenticator.keys.clone()) {
            let readiness = readiness.clone();
            tasks.spawn(async move { keys.refresh_forever(&readiness).await });
        }
        tasks
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
        let keys = self.keys.as_ref().and_then(|keys| keys.snapshot().keys);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs());
        let verified = match self.cache.get(token, keys.as_ref(), now) {
            Some(verified) => verified,
            // Boxed, so that the requests with cached tokens hold no memory for it.
            None => Box::pin(self.verify(token, keys, deadline)).await?,
        };
        if verified.has_scope(scope) {
            Ok(verified.subject)
        } else {
            Err(AuthError::InsufficientScope(scope))
        }
    }

    /// Verifies a token that is not in the cache, and inserts it; `known` are the issuer's current keys.
    async fn verify(
        &self,
        token: &str,
        known: Option<Arc<KeySet>>,
        deadline: Option<Deadline>,
    ) -> Result<Arc<VerifiedToken>, AuthError> {
        let token = &UnverifiedToken::parse(token)?;
        let (verified, keys) = match &self.keys {
            _ if token.is_symmetric() => (self.rules.verify(token, self.secret.iter())?, known),
            Some(keys) => {
                let (verified, newest) = self.verify_by_issuer(token, keys, deadline).await?;
                (verified, Some(newest))
            }
            None => return Err(AuthError::Invalid("no keys are configured for its algorithm")),
        };
        let verified = Arc::new(verified);
        self.cache.insert(token.token, keys.as_ref(), &verified);
        Ok(verified)
    }

    /// Verifies a token with the issuer's keys, and returns these as well. A token with an unknown key waits
    /// for a refresh of the keys.
    async fn verify_by_issuer(
        &self,
        token: &UnverifiedToken<'_>,
        keys: &KeyCache,
        deadline: Option<Deadline>,
    ) -> Result<(VerifiedToken, Arc<KeySet>), AuthError> {
        let mut known = keys.snapshot();
        let is_unknown = known.keys.as_ref().is_some_and(|keys| token.candidates(keys).next().is_none());
        if is_unknown {
            let refresh = keys.refresh_once();
            known = match deadline {
                Some(Deadline(at)) => timeout_at(at, refresh).await.map_err(|_| AuthError::Unavailable)?,
                None => refresh.await,
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

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Missing => Problem::unauthenticated(),
            AuthError::Invalid(why) => {
                tracing::info!(why, "access token rejected");
                Problem::invalid_token()
            }
            AuthError::InsufficientScope(scope) => Problem::insufficient_scope(scope),
            AuthError::Unavailable => {
                tracing::warn!("access token not verified: the issuer's keys cannot be refreshed");
                Problem::not_started()
                    .with_detail("Tokens cannot be checked at the moment; nothing was done.")
            }
        }
    }
}
