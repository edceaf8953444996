//! Tokens that were found good, so that each signature is checked once and not with every request.

use std::sync::{Arc, Mutex, PoisonError};

use hashlink::LruCache;
use ring::digest::{SHA256, digest};

use super::{key_set::KeySet, token::VerifiedToken};
use crate::limits::{CACHED_TOKEN_BYTES_MAX, CACHED_TOKENS_MAX};

/// Bytes of a token's digest.
const DIGEST_BYTES: usize = 32;

/// The digests of good tokens, until they expire, and as long as the keys are those that they were checked with. Of too
/// many, those that were not seen for the longest are forgotten.
pub(super) struct TokenCache(Mutex<Entries>);

struct Entries {
    keys: Option<Arc<KeySet>>,
    tokens: LruCache<[u8; DIGEST_BYTES], Arc<VerifiedToken>>,
}

impl Default for TokenCache {
    fn default() -> Self {
        Self(Mutex::new(Entries { keys: None, tokens: LruCache::new(CACHED_TOKENS_MAX) }))
    }
}

impl std::fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenCache")
    }
}

impl TokenCache {
    /// What `token` says, if it was found good by these keys, and is so `now`, in seconds since the Unix epoch.
    pub(super) fn find(
        &self,
        token: &str,
        keys: Option<&Arc<KeySet>>,
        now: u64,
    ) -> Option<Arc<VerifiedToken>> {
        let digest = digest_of(token)?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.is_current(keys) {
            return None;
        }
        let verified = kept.tokens.get(&digest)?;
        if now < verified.expires_at {
            return Some(verified.clone());
        }
        kept.tokens.remove(&digest);
        None
    }

    /// Keeps what `token` says, which was found good by these keys.
    pub(super) fn insert(&self, token: &str, keys: Option<&Arc<KeySet>>, verified: &Arc<VerifiedToken>) {
        let Some(digest) = digest_of(token) else { return };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.is_current(keys) {
            kept.tokens.clear();
            kept.keys = keys.cloned();
        }
        kept.tokens.insert(digest, verified.clone());
    }
}

impl Entries {
    fn is_current(&self, keys: Option<&Arc<KeySet>>) -> bool {
        match (&self.keys, keys) {
            (None, None) => true,
            (Some(own), Some(others)) => Arc::ptr_eq(own, others),
            _ => false,
        }
    }
}

/// `None` for a token that is too long to be kept: what it says would be too.
fn digest_of(token: &str) -> Option<[u8; DIGEST_BYTES]> {
    let short = token.len() <= CACHED_TOKEN_BYTES_MAX;
    short.then(|| digest(&SHA256, token.as_bytes()).as_ref().try_into().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Subject, token::verified};

    fn keys() -> Arc<KeySet> {
        let document =
            br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        Arc::new(KeySet::parse(document).unwrap().keys)
    }

    #[test]
    fn a_token_is_good_until_it_expires() {
        let (good, keys) = (TokenCache::default(), keys());
        assert!(good.find("a", Some(&keys), 0).is_none());
        good.insert("a", Some(&keys), &Arc::new(verified(Subject(1), 100)));
        assert_eq!(good.find("a", Some(&keys), 99).unwrap().subject, Subject(1));
        assert!(good.find("b", Some(&keys), 99).is_none());
        assert!(good.find("a", Some(&keys), 100).is_none());
        assert!(good.find("a", Some(&keys), 99).is_none(), "it is forgotten");
    }

    #[test]
    fn other_keys_know_nothing_of_it() {
        let (good, old, new) = (TokenCache::default(), keys(), keys());
        good.insert("a", Some(&old), &Arc::new(verified(Subject(1), 100)));
        assert!(good.find("a", Some(&new), 0).is_none() && good.find("a", None, 0).is_none());
        good.insert("b", Some(&new), &Arc::new(verified(Subject(2), 100)));
        assert!(good.find("a", Some(&new), 0).is_none() && good.find("a", Some(&old), 0).is_none());
        assert!(good.find("b", Some(&new), 0).is_some());
    }

    #[test]
    fn so_many_are_kept_and_none_that_is_long() {
        let good = TokenCache::default();
        let long = "x".repeat(CACHED_TOKEN_BYTES_MAX + 1);
        good.insert(&long, None, &Arc::new(verified(Subject(1), 100)));
        assert!(good.find(&long, None, 0).is_none());
        for token in 0..=CACHED_TOKENS_MAX {
            good.insert(&token.to_string(), None, &Arc::new(verified(Subject(1), 100)));
        }
        assert!(good.find("0", None, 0).is_none() && good.find("1", None, 0).is_some());
    }
}
