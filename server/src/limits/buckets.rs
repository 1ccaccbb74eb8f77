//! Token buckets by key, in a map that cannot grow without bound.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use token_gen::UnixSeconds;

/// Locks are per shard, so that callers rarely wait for each other.
const SHARDS: usize = 16;

/// How much may be taken: `per_minute` in the long run, `burst` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    per_minute: u64,
    burst: u64,
}

impl Quota {
    /// `per_minute` a minute, all of them at once if need be. Zero means none, ever.
    pub const fn per_minute(per_minute: u32) -> Self {
        Self { per_minute: per_minute as u64, burst: per_minute as u64 }
    }

    /// `per_second` a second, twice as many at once.
    pub const fn per_second(per_second: u32) -> Self {
        Self { per_minute: per_second as u64 * 60, burst: per_second as u64 * 2 }
    }

    /// The most that may be taken at once.
    pub const fn burst(self) -> u64 {
        self.burst
    }

    /// How long an empty bucket takes to fill.
    pub const fn window(self) -> Duration {
        Duration::from_secs((self.burst * 60).div_ceil(if self.per_minute == 0 { 1 } else { self.per_minute }))
    }

    const fn capacity(self) -> u64 {
        self.burst * UNITS
    }
}

/// A bucket counts sixtieths, so that a quota a minute refills by whole units every second.
const UNITS: u64 = 60;

/// What a bucket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Allowed {
        /// How many more would be allowed right now.
        remaining: u64,
    },
    /// Not now.
    Refused {
        /// When it will be, in whole seconds, at least one.
        retry_after: Duration,
    },
}

/// A bucket for each key.
///
/// A full bucket is forgotten: a key never seen has the same. When `max_keys` of them are not full, a new key is
/// refused rather than an old one forgotten, or a flood of keys would wash out the count of everybody else.
#[derive(Debug)]
pub struct Buckets<K> {
    quota: ArcSwap<Quota>,
    hasher: RandomState,
    shards: [Mutex<Shard<K>>; SHARDS],
    max_keys: usize,
}

#[derive(Debug)]
struct Shard<K> {
    buckets: HashMap<K, Bucket>,
    swept_at: UnixSeconds,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    level: u64,
    filled_at: UnixSeconds,
    quota: Quota,
}

impl Bucket {
    fn full(quota: Quota, now: UnixSeconds) -> Self {
        Self { level: quota.capacity(), filled_at: now, quota }
    }

    fn refilled(self, quota: Quota, now: UnixSeconds) -> Self {
        let gained = now.duration_since(self.filled_at).as_secs().saturating_mul(quota.per_minute);
        let level = self.level.saturating_add(gained).min(quota.capacity());
        Self { level, filled_at: now.max(self.filled_at), quota }
    }

    fn is_full(self, now: UnixSeconds) -> bool {
        self.refilled(self.quota, now).level == self.quota.capacity()
    }

    fn verdict(self) -> Verdict {
        match self.level.checked_sub(UNITS) {
            Some(left) => Verdict::Allowed { remaining: left / UNITS },
            None => {
                let missing = (UNITS - self.level).div_ceil(self.quota.per_minute.max(1));
                Verdict::Refused { retry_after: Duration::from_secs(missing.max(1)) }
            }
        }
    }
}

impl<K: Hash + Eq> Buckets<K> {
    /// Buckets of `quota` for at most `max_keys` keys at a time.
    pub fn new(quota: Quota, max_keys: usize) -> Self {
        let shard = || Mutex::new(Shard { buckets: HashMap::new(), swept_at: UnixSeconds::new(i64::MIN) });
        Self {
            quota: ArcSwap::from_pointee(quota),
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| shard()),
            max_keys,
        }
    }

    /// The quota of a key that has none of its own.
    pub fn quota(&self) -> Quota {
        **self.quota.load()
    }

    /// From now on `quota` is that of keys that have none of their own.
    pub fn set_quota(&self, quota: Quota) {
        self.quota.store(Arc::new(quota));
    }

    /// Takes one from the bucket of `key`.
    pub fn take<Q>(&self, key: &Q, now: UnixSeconds) -> Verdict
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.take_of(key, self.quota(), now)
    }

    /// Takes one from the bucket of `key`, which has a quota of its own.
    pub fn take_of<Q>(&self, key: &Q, quota: Quota, now: UnixSeconds) -> Verdict
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mut shard = self.shard(key);
        if let Some(bucket) = shard.buckets.get_mut(key) {
            *bucket = bucket.refilled(quota, now);
            return take_one(bucket);
        }
        let max_keys = self.max_keys / SHARDS;
        // Looking for full buckets reads them all, so at most once a second.
        if shard.buckets.len() >= max_keys && shard.swept_at < now {
            shard.buckets.retain(|_, bucket| !bucket.is_full(now));
            shard.swept_at = now;
        }
        if shard.buckets.len() >= max_keys {
            return Verdict::Refused { retry_after: Duration::from_secs(1) };
        }
        let mut bucket = Bucket::full(quota, now);
        let verdict = take_one(&mut bucket);
        shard.buckets.insert(key.to_owned(), bucket);
        verdict
    }

    /// What [`Buckets::take`] would say, without taking.
    pub fn peek<Q>(&self, key: &Q, now: UnixSeconds) -> Verdict
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (quota, shard) = (self.quota(), self.shard(key));
        let bucket = shard.buckets.get(key).map(|bucket| bucket.refilled(quota, now));
        bucket.unwrap_or(Bucket::full(quota, now)).verdict()
    }

    /// How many keys are held.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).buckets.len()).sum()
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> std::sync::MutexGuard<'_, Shard<K>> {
        // The remainder is below SHARDS, so it fits.
        let index = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default();
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_one(bucket: &mut Bucket) -> Verdict {
    let verdict = bucket.verdict();
    if let Verdict::Allowed { .. } = verdict {
        bucket.level -= UNITS;
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> UnixSeconds {
        UnixSeconds::new(1_000 + second)
    }

    fn refused(secs: u64) -> Verdict {
        Verdict::Refused { retry_after: Duration::from_secs(secs) }
    }

    #[test]
    fn a_bucket_empties_at_once_and_fills_over_time() {
        let buckets = Buckets::<String>::new(Quota::per_minute(20), 1_000);
        for remaining in (0..20).rev() {
            assert_eq!(buckets.take("a", at(0)), Verdict::Allowed { remaining });
        }
        assert_eq!(buckets.take("a", at(0)), refused(3));
        assert_eq!(buckets.take("a", at(2)), refused(1));
        assert_eq!(buckets.take("a", at(3)), Verdict::Allowed { remaining: 0 });
        assert_eq!(buckets.take("a", at(3)), refused(3));
        assert_eq!(buckets.take("b", at(3)), Verdict::Allowed { remaining: 19 });
        assert_eq!(buckets.take("a", at(1_000)), Verdict::Allowed { remaining: 19 });
    }

    #[test]
    fn a_quota_a_second_has_twice_the_burst() {
        let buckets = Buckets::<String>::new(Quota::per_second(5), 1_000);
        let allowed = |now| (0..100).filter(|_| matches!(buckets.take("a", now), Verdict::Allowed { .. })).count();
        assert_eq!([allowed(at(0)), allowed(at(0)), allowed(at(1)), allowed(at(4))], [10, 0, 5, 10]);
        assert_eq!(Quota::per_second(5).window(), Duration::from_secs(2));
    }

    #[test]
    fn looking_takes_nothing_and_time_never_goes_back() {
        let buckets = Buckets::<String>::new(Quota::per_minute(1), 1_000);
        for _ in 0..3 {
            assert_eq!(buckets.peek("a", at(0)), Verdict::Allowed { remaining: 0 });
        }
        assert!(buckets.is_empty());
        buckets.take("a", at(50));
        assert_eq!(buckets.peek("a", at(0)), refused(60));
        assert_eq!(buckets.take("a", at(20)), refused(60));
        assert_eq!(buckets.take("a", at(109)), refused(1));
        assert_eq!(buckets.take("a", at(110)), Verdict::Allowed { remaining: 0 });
    }

    #[test]
    fn another_quota_holds_at_once_for_keys_old_and_new() {
        let buckets = Buckets::<String>::new(Quota::per_minute(20), 1_000);
        assert_eq!(buckets.take("old", at(0)), Verdict::Allowed { remaining: 19 });
        buckets.set_quota(Quota::per_minute(2));
        assert_eq!(buckets.take("old", at(0)), Verdict::Allowed { remaining: 1 });
        assert_eq!(buckets.take("new", at(0)), Verdict::Allowed { remaining: 1 });
        assert_eq!(buckets.take("old", at(0)), Verdict::Allowed { remaining: 0 });
        assert_eq!(buckets.peek("old", at(0)), refused(30));
    }

    #[test]
    fn a_quota_of_nothing_allows_nothing() {
        let buckets = Buckets::<String>::new(Quota::per_minute(0), 1_000);
        assert_eq!(buckets.take("a", at(0)), refused(60));
        assert_eq!(buckets.take("a", at(1_000_000)), refused(60));
    }

    // proves T64
    #[test]
    fn a_flood_of_keys_meets_a_cap_and_is_forgotten_later() {
        let buckets = Buckets::<u64>::new(Quota::per_minute(2), 1_600);
        assert_eq!(buckets.take(&u64::MAX, at(0)), Verdict::Allowed { remaining: 1 });
        let refusals = (0..100_000).filter(|key| buckets.take(key, at(0)) == refused(1)).count();
        assert!(buckets.len() <= 1_600 && refusals >= 98_400);
        // The one that was counted before still is, and a minute later there is room again.
        assert_eq!(buckets.take(&u64::MAX, at(0)), Verdict::Allowed { remaining: 0 });
        assert_eq!(buckets.take(&u64::MAX, at(0)), refused(30));
        let allowed = (200_000..200_400).filter(|key| buckets.take(key, at(60)) != refused(1)).count();
        assert_eq!(allowed, 400);
    }
}
