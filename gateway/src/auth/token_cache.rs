//! Cache of verified tokens, so that each signature is verified once and not with every request.

use std::sync::{Arc, Mutex, PoisonError};

use hashlink::LruCache;
use ring::digest::{SHA256, digest};

use super::{key_set::KeySet, token::VerifiedToken};
use crate::limits::{CACHED_TOKEN_BYTES_MAX, CACHED_TOKENS_MAX};

/// Bytes of a token's digest.
const DIGEST_BYTES: usize = 32;

/// Verified tokens by their digests. An entry is valid until its token expires, and while the issuer's keys
/// are those that verified it. Beyond [`CACHED_TOKENS_MAX`] entries the least recently used one is evicted.
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

impl TokenCache {
    /// Returns the entry of `token`, if these keys verified it and it has not expired at `now`, in seconds
    /// since the Unix epoch.
    pub(super) fn get(
        &self,
        token: &str,
        keys: Option<&Arc<KeySet>>,
        now: u64,
    ) -> Option<Arc<VerifiedToken>> {
        let digest = digest_of(token)?;
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !entries.is_current(keys) {
            return None;
        }
        let verified = entries.tokens.get(&digest)?;
        if now < verified.expires_at {
            return Some(verified.clone());
        }
        entries.tokens.remove(&digest);
        None
    }

    /// Inserts a token that these keys have verified.
    pub(super) fn insert(&self, token: &str, keys: Option<&Arc<KeySet>>, verified: &Arc<VerifiedToken>) {
        let Some(digest) = digest_of(token) else { return };
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !entries.is_current(keys) {
            entries.tokens.clear();
            entries.keys = keys.cloned();
        }
        entries.tokens.insert(digest, verified.clone());
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

/// `None` for a token that is too long for the cache, as its claims may be.
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
    fn an_entry_is_valid_until_its_token_expires() {
        let (cache, keys) = (TokenCache::default(), keys());
        assert!(cache.get("a", Some(&keys), 0).is_none());
        cache.insert("a", Some(&keys), &Arc::new(verified(Subject(1), 100)));
        assert_eq!(cache.get("a", Some(&keys), 99).unwrap().subject, Subject(1));
        assert!(cache.get("b", Some(&keys), 99).is_none());
        assert!(cache.get("a", Some(&keys), 100).is_none());
        assert!(cache.get("a", Some(&keys), 99).is_none(), "the expired entry is removed");
    }

    #[test]
    fn an_entry_is_valid_only_with_the_keys_that_verified_it() {
        let (cache, old, new) = (TokenCache::default(), keys(), keys());
        cache.insert("a", Some(&old), &Arc::new(verified(Subject(1), 100)));
        assert!(cache.get("a", Some(&new), 0).is_none() && cache.get("a", None, 0).is_none());
        cache.insert("b", Some(&new), &Arc::new(verified(Subject(2), 100)));
        assert!(cache.get("a", Some(&new), 0).is_none() && cache.get("a", Some(&old), 0).is_none());
        assert!(cache.get("b", Some(&new), 0).is_some());
    }

    #[test]
    fn the_cache_is_bounded_in_entries_and_token_length() {
        let cache = TokenCache::default();
        let long = "x".repeat(CACHED_TOKEN_BYTES_MAX + 1);
        cache.insert(&long, None, &Arc::new(verified(Subject(1), 100)));
        assert!(cache.get(&long, None, 0).is_none());
        for token in 0..=CACHED_TOKENS_MAX {
            cache.insert(&token.to_string(), None, &Arc::new(verified(Subject(1), 100)));
        }
        assert!(cache.get("0", None, 0).is_none() && cache.get("1", None, 0).is_some());
    }
}
