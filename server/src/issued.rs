//! Which CBC tokens were minted here, in memory, so that no verification waits for the store. Nothing in a CBC token
//! proves that it is as it was minted; for apps with the policy `issued_only` this does.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use sha2::{Digest, Sha256};
use token_gen::{AppId, UnixSeconds};

/// A token that was minted here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Issued {
    /// SHA-256 of its text.
    pub digest: [u8; 32],
    /// When it expires.
    pub expire_at: UnixSeconds,
}

impl Issued {
    /// The token `text`, which expires at `expire_at`.
    pub fn new(text: &str, expire_at: UnixSeconds) -> Self {
        Self { digest: Sha256::digest(text).into(), expire_at }
    }
}

/// How many tokens may be live. Past a limit no more are minted; one that was minted is never dropped for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In one app, so that no app can keep the others from minting. Default 500,000.
    pub per_app: usize,
    /// In all: some hundred megabytes. Default 1,000,000.
    pub total: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_app: 500_000, total: 1_000_000 }
    }
}

/// There is no room for more tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// The live tokens of every app with the policy `issued_only`.
#[derive(Debug, Default)]
pub struct IssuedTokens {
    apps: RwLock<HashMap<AppId, HashMap<[u8; 32], UnixSeconds>>>,
    limits: Limits,
}

impl IssuedTokens {
    /// None yet.
    pub fn new(limits: Limits) -> Self {
        Self { apps: RwLock::default(), limits }
    }

    /// Whether exactly this text was minted for the app.
    pub fn holds(&self, app_id: AppId, token: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(token).into();
        self.read().get(&app_id).is_some_and(|tokens| tokens.contains_key(&digest))
    }

    /// Whether `count` more tokens of the app fit in.
    ///
    /// # Errors
    /// [`Full`].
    pub fn has_room(&self, app_id: AppId, count: usize) -> Result<(), Full> {
        let apps = self.read();
        let in_app = apps.get(&app_id).map_or(0, HashMap::len);
        let total: usize = apps.values().map(HashMap::len).sum();
        if in_app + count <= self.limits.per_app && total + count <= self.limits.total { Ok(()) } else { Err(Full) }
    }

    /// Takes in what the store holds. Twice is once.
    pub fn put(&self, tokens: impl IntoIterator<Item = (AppId, Issued)>) {
        let mut apps = self.write();
        for (app_id, Issued { digest, expire_at }) in tokens {
            apps.entry(app_id).or_default().insert(digest, expire_at);
        }
    }

    /// Forgets those that have expired by `now`.
    pub fn sweep(&self, now: UnixSeconds) {
        self.write().retain(|_, tokens| {
            tokens.retain(|_, expire_at| *expire_at > now);
            !tokens.is_empty()
        });
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<AppId, HashMap<[u8; 32], UnixSeconds>>> {
        // No change in here can stop half-way, so a poisoned map is still a good one.
        self.apps.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<AppId, HashMap<[u8; 32], UnixSeconds>>> {
        self.apps.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves T64
    #[test]
    fn past_the_limit_no_more_fit_and_the_live_ones_stay() {
        let (app_id, other) = (AppId::new(1).unwrap(), AppId::new(2).unwrap());
        let tokens = IssuedTokens::new(Limits { per_app: 3, total: 4 });
        let issued = |text: &str, at| Issued::new(text, UnixSeconds::new(at));
        tokens.put([(app_id, issued("a", 5)), (app_id, issued("b", 6)), (app_id, issued("a", 5))]);
        assert_eq!([tokens.has_room(app_id, 1), tokens.has_room(app_id, 2)], [Ok(()), Err(Full)]);
        assert_eq!([tokens.has_room(other, 2), tokens.has_room(other, 3)], [Ok(()), Err(Full)]);
        assert!(tokens.holds(app_id, "a") && !tokens.holds(other, "a") && !tokens.holds(app_id, "a "));
        tokens.sweep(UnixSeconds::new(5));
        assert!(!tokens.holds(app_id, "a") && tokens.holds(app_id, "b"));
        assert_eq!(tokens.has_room(app_id, 2), Ok(()));
    }
}
