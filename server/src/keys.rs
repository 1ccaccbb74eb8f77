//! Backend keys: their text, what they may do, and the keyring that recognises them without asking the store.
//!
//! A key is `rp_<id>_<secret>`. The id finds it, 256 random bits prove it, and only their SHA-256 is kept.

use std::{
    borrow::Borrow,
    collections::HashSet,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use rand::TryCryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use token_gen::{AppId, Privileges, UnixSeconds};
use zeroize::Zeroizing;

use crate::{apps::names, error::Error, signed::SigningKey};

const PREFIX: &str = "rp_";
const ID_LEN: usize = 12;
/// 43 symbols of 62 are 256 bits.
const SECRET_LEN: usize = 43;
const SYMBOLS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The text of a key: shown once, when it is made.
#[derive(Clone)]
pub struct KeyText(Zeroizing<String>);

impl KeyText {
    /// A new key.
    ///
    /// # Errors
    /// What the random source says.
    pub fn generate<R: TryCryptoRng>(rng: &mut R) -> Result<Self, R::Error> {
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + ID_LEN + 1 + SECRET_LEN));
        text.push_str(PREFIX);
        push_symbols(&mut text, ID_LEN, rng)?;
        text.push('_');
        push_symbols(&mut text, SECRET_LEN, rng)?;
        Ok(Self(text))
    }

    /// Takes the text of a key, if it has the shape of one.
    pub fn parse(text: &str) -> Option<Self> {
        id_in(text).map(|_| Self(Zeroizing::new(text.to_owned())))
    }

    /// Whether `text` has the shape of what names a key.
    pub fn is_key_id(text: &str) -> bool {
        text.len() == ID_LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }

    /// The part that names the key and may be shown.
    pub fn key_id(&self) -> &str {
        &self.0[PREFIX.len()..PREFIX.len() + ID_LEN]
    }

    /// What is kept of it.
    pub fn hash(&self) -> [u8; 32] {
        hash_of(&self.0)
    }

    /// The text itself: a credential.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The id in the text of a key, if it has the shape of one.
fn id_in(text: &str) -> Option<&str> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let symbols = |part: &str, len| part.len() == len && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (symbols(id, ID_LEN) && symbols(secret, SECRET_LEN)).then_some(id)
}

fn hash_of(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn push_symbols<R: TryCryptoRng>(text: &mut String, count: usize, rng: &mut R) -> Result<(), R::Error> {
    let end = text.len() + count;
    while text.len() < end {
        let mut draw = Zeroizing::new([0; 64]);
        rng.try_fill_bytes(&mut *draw)?;
        // 248 is the largest multiple of 62 in a byte: above it, symbols would not be equally likely.
        let fair = draw.iter().filter(|&&byte| byte < 248).take(end - text.len());
        text.extend(fair.map(|byte| char::from(SYMBOLS[usize::from(byte % 62)])));
    }
    Ok(())
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyText({}{}_..)", PREFIX, self.key_id())
    }
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Mint tokens.
    Mint,
    /// Ask whether a token is active.
    Introspect,
    /// Ask why a login is refused.
    Explain,
    /// End tokens early.
    Revoke,
    /// Read the app's settings and records.
    Read,
    /// Change the app.
    Admin,
    /// Remove users from rooms, stop streams, close rooms, say something in them.
    Operate,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 7] =
        [Self::Mint, Self::Introspect, Self::Explain, Self::Revoke, Self::Read, Self::Admin, Self::Operate];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mint => "mint",
            Self::Introspect => "introspect",
            Self::Explain => "explain",
            Self::Revoke => "revoke",
            Self::Read => "read",
            Self::Admin => "admin",
            Self::Operate => "operate",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a right is mint, introspect, explain, revoke, read, admin or operate")]
pub struct UnknownRight;

impl FromStr for Right {
    type Err = UnknownRight;

    fn from_str(text: &str) -> Result<Self, UnknownRight> {
        Self::ALL.into_iter().find(|right| right.as_str() == text).ok_or(UnknownRight)
    }
}

/// How far a key reaches. The default mints for any user and room of its app, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// What it may do.
    pub rights: Vec<Right>,
    /// The beginning that room ids must have; empty for any room.
    pub room_prefix: String,
    /// The privileges its tokens may carry.
    #[serde(with = "names::privileges")]
    pub privileges: Privileges,
    /// The longest lifetime its tokens may have, below the app's own.
    pub max_ttl_secs: Option<u64>,
    /// The most requests in a second; `None` for the server's own limit.
    #[serde(default)]
    pub max_per_second: Option<u32>,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            rights: vec![Right::Mint],
            room_prefix: String::new(),
            privileges: Privileges::ALL,
            max_ttl_secs: None,
            max_per_second: None,
        }
    }
}

impl Scope {
    /// Every right, without bounds.
    pub fn everything() -> Self {
        Self { rights: Right::ALL.to_vec(), ..Self::default() }
    }

    /// The longest lifetime its tokens may have.
    pub fn max_ttl(&self) -> Option<Duration> {
        self.max_ttl_secs.map(Duration::from_secs)
    }

    /// Whether it reaches every room with every privilege.
    pub fn is_unbounded(&self) -> bool {
        self.room_prefix.is_empty() && self.privileges == Privileges::ALL
    }

    /// Whether it may go with [`Right::Admin`]: who makes secrets and keys reaches the whole app with them, and a bound
    /// would be a bound in name only.
    pub fn may_administer(&self) -> bool {
        self.is_unbounded() && self.max_ttl_secs.is_none()
    }
}

/// A proven caller: whoever holds this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The key's id.
    pub key_id: String,
    /// The app it is of: the caller exists in this app only.
    pub app_id: AppId,
    /// How far it reaches.
    pub scope: Scope,
}

impl Caller {
    /// Whether the caller has `right`.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn require(&self, right: Right) -> Result<(), Error> {
        if self.scope.rights.contains(&right) { Ok(()) } else { Err(Error::Forbidden(right)) }
    }
}

/// Who holds a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A backend: a caller in one app.
    App(Arc<Caller>),
    /// An operator, who administers every app and mints for none.
    Operator {
        /// The key's id.
        key_id: String,
    },
}

impl Holder {
    /// The key's id.
    pub fn key_id(&self) -> &str {
        match self {
            Self::App(caller) => &caller.key_id,
            Self::Operator { key_id } => key_id,
        }
    }
}

/// A key as the keyring needs it.
#[derive(Debug)]
pub struct BackendKey {
    holder: Holder,
    proof: Proof,
    expire_at: Option<UnixSeconds>,
    /// Unix seconds; [`NEVER`] until used.
    last_used_at: AtomicI64,
}

const NEVER: i64 = i64::MIN;

/// How the holder of a key proves to have it. Never both ways: a key that signs is not sent.
#[derive(Debug)]
pub enum Proof {
    /// By showing it; this is the SHA-256 of its text.
    Bearer([u8; 32]),
    /// By signing requests with it.
    Signed(Box<SigningKey>),
}

impl BackendKey {
    /// A key of an app that is proven by `proof` until `expire_at`.
    pub fn new(caller: Caller, proof: Proof, expire_at: Option<UnixSeconds>) -> Self {
        Self::held_by(Holder::App(Arc::new(caller)), proof, expire_at)
    }

    /// A key that is proven by `proof` until `expire_at`.
    pub fn held_by(holder: Holder, proof: Proof, expire_at: Option<UnixSeconds>) -> Self {
        Self { holder, proof, expire_at, last_used_at: AtomicI64::new(NEVER) }
    }

    /// The holder, unless the key has ended.
    fn used_by_holder(&self, now: UnixSeconds) -> Option<Holder> {
        if self.expire_at.is_some_and(|end| now >= end) {
            return None;
        }
        self.last_used_at.fetch_max(now.get(), Ordering::Relaxed);
        Some(self.holder.clone())
    }
}

/// A key in a set by its id.
#[derive(Debug, Clone)]
struct ById(Arc<BackendKey>);

impl Borrow<str> for ById {
    fn borrow(&self) -> &str {
        self.0.holder.key_id()
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Borrow::<str>::borrow(self).hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        Borrow::<str>::borrow(self) == Borrow::<str>::borrow(other)
    }
}

impl Eq for ById {}

/// Every backend key, in memory. Reading takes no lock.
#[derive(Debug, Default)]
pub struct Keyring(ArcSwap<HashSet<ById>>);

impl Keyring {
    /// Who holds the key named `key_id`, and when it ends. Proves nothing.
    pub fn named(&self, key_id: &str) -> Option<(Holder, Option<UnixSeconds>)> {
        self.0.load().get(key_id).map(|ById(key)| (key.holder.clone(), key.expire_at))
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.0.load().is_empty()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.load().len()
    }

    /// Replaces everything: at start, and when the whole store was read again.
    pub fn replace_all(&self, keys: impl IntoIterator<Item = Arc<BackendKey>>) {
        self.0.store(Arc::new(keys.into_iter().map(ById).collect()));
    }

    /// Adds or replaces one key.
    #[expect(clippy::mutable_key_type, reason = "what changes in a key is not its id")]
    pub fn put(&self, key: BackendKey) {
        let key = ById(Arc::new(key));
        self.0.rcu(|keys| {
            let mut keys = HashSet::clone(keys);
            keys.replace(key.clone());
            keys
        });
    }

    /// Removes one key.
    #[expect(clippy::mutable_key_type, reason = "what changes in a key is not its id")]
    pub fn remove(&self, key_id: &str) {
        self.0.rcu(|keys| {
            let mut keys = HashSet::clone(keys);
            keys.remove(key_id);
            keys
        });
    }

    /// The backend that holds the key `text`. `None` alike for no key, an unknown one, a wrong secret, an ended one
    /// and an operator's.
    pub fn authenticate(&self, text: &str, now: UnixSeconds) -> Option<Arc<Caller>> {
        match self.holder(text, now)? {
            Holder::App(caller) => Some(caller),
            Holder::Operator { .. } => None,
        }
    }

    /// Whoever holds the key `text`. `None` alike for no key, an unknown one, a wrong secret and an ended one.
    pub fn holder(&self, text: &str, now: UnixSeconds) -> Option<Holder> {
        let keys = self.0.load();
        let ById(key) = keys.get(id_in(text)?)?;
        let Proof::Bearer(hash) = &key.proof else { return None };
        if bool::from(hash_of(text).ct_eq(hash)) { key.used_by_holder(now) } else { None }
    }

    /// The caller who holds the key `key_id`, if `signature` is that of `text` under it. `None` alike for an unknown
    /// key, one that does not sign, a wrong signature and an ended key.
    pub fn authenticate_signed(
        &self,
        key_id: &str,
        text: &str,
        signature: &[u8; 32],
        now: UnixSeconds,
    ) -> Option<Arc<Caller>> {
        let keys = self.0.load();
        let ById(key) = keys.get(key_id)?;
        let Proof::Signed(signing_key) = &key.proof else { return None };
        match signing_key.proves(text, signature).then(|| key.used_by_holder(now))?? {
            Holder::App(caller) => Some(caller),
            Holder::Operator { .. } => None,
        }
    }

    /// When keys were last used since this was last asked, for the store.
    pub fn take_last_used(&self) -> Vec<(String, UnixSeconds)> {
        let used = |key: &BackendKey| match key.last_used_at.swap(NEVER, Ordering::Relaxed) {
            NEVER => None,
            at => Some((key.holder.key_id().to_owned(), UnixSeconds::new(at))),
        };
        self.0.load().iter().filter_map(|ById(key)| used(key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::SysRng;

    use super::*;

    fn keyring(expire_at: Option<i64>) -> (Keyring, KeyText) {
        let text = KeyText::generate(&mut SysRng).unwrap();
        let keyring = Keyring::default();
        let caller =
            Caller { key_id: text.key_id().to_owned(), app_id: AppId::new(7).unwrap(), scope: Scope::default() };
        keyring.put(BackendKey::new(caller, Proof::Bearer(text.hash()), expire_at.map(UnixSeconds::new)));
        (keyring, text)
    }

    #[test]
    fn a_key_is_recognised_until_it_ends_or_is_removed() {
        let (keyring, text) = keyring(Some(100));
        assert!(keyring.authenticate(text.expose(), UnixSeconds::new(99)).is_some());
        assert!(keyring.authenticate(text.expose(), UnixSeconds::new(100)).is_none());
        assert_eq!(keyring.take_last_used(), [(text.key_id().to_owned(), UnixSeconds::new(99))]);
        assert_eq!(keyring.take_last_used(), []);
        keyring.remove(text.key_id());
        assert!(keyring.is_empty());
        assert!(keyring.authenticate(text.expose(), UnixSeconds::new(99)).is_none());
    }

    #[test]
    fn any_other_text_is_nobody() {
        let (keyring, text) = keyring(None);
        let now = UnixSeconds::new(0);
        let key = text.expose();
        let wrong_secret = format!("{}{}", &key[..key.len() - 1], if key.ends_with('a') { 'b' } else { 'a' });
        let stranger = KeyText::generate(&mut SysRng).unwrap();
        for other in [
            "",
            "rp_",
            &key[1..],
            &key[..key.len() - 1],
            &format!("{key}a"),
            &format!(" {key}"),
            &wrong_secret,
            stranger.expose(),
        ] {
            assert!(keyring.authenticate(other, now).is_none(), "{other}");
        }
        assert!(keyring.authenticate(key, now).is_some());
    }

    #[test]
    fn debug_shows_the_id_only() {
        let (keyring, text) = keyring(None);
        let secret = text.expose().rsplit('_').next().unwrap();
        let shown = format!("{text:?} {keyring:?}");
        assert!(shown.contains(text.key_id()) && !shown.contains(secret));
    }
}
