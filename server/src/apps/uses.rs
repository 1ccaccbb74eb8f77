//! How often each secret seals and opens, and how often each AppSign proves a login, counted in memory and written down in
//! batches by whoever owns the store.
//!
//! AES-GCM with random nonces is sound for 2³² seals under one key, so every mint is drawn from a block that was
//! reserved in the store: after a crash the count is too high, never too low. Knows no store itself.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use token_gen::{AppId, UnixSeconds};
use tokio::sync::Notify;

/// How many mints are reserved at once.
pub const BLOCK: u64 = 65_536;
/// From here on the operator is told to rotate: collisions have a chance of 2⁻⁴¹.
pub const NOTICE_AT: u64 = 1 << 28;
/// From here on it is an error in the log.
pub const ERROR_AT: u64 = 1 << 31;
/// A secret that has sealed this many tokens seals no more: nine tenths of 2³².
pub const REFUSE_AT: u64 = 3_865_470_566;

const NEVER: i64 = i64::MIN;
/// How many minutes are counted one by one.
const MINUTES: usize = 60;

/// Why a secret does not seal another token now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMint {
    /// It has sealed as many as it may.
    WornOut,
    /// The block at hand is used up and the store has not given another.
    NotReserved,
}

/// The counts of one secret, or of one AppSign, in this process.
#[derive(Debug)]
pub struct SecretUse {
    used: AtomicU64,
    last_used_at: AtomicI64,
    /// Uses in each of the last minutes: the number of the minute in the upper half, the count in the lower.
    by_minute: [AtomicU64; MINUTES],
    /// Mints left of the blocks reserved.
    left: AtomicI64,
    /// Mints granted before their block was written down: one block, so that the first mint need not wait. If the
    /// process dies before the block is written, at most what it minted in that moment is not counted; the limit
    /// leaves room for thousands of such deaths.
    owed: AtomicU64,
    /// What the store has reserved for everybody, as far as we know.
    reserved: AtomicU64,
    wanted: Arc<Notify>,
}

impl SecretUse {
    fn new(reserved: u64, wanted: Arc<Notify>) -> Self {
        Self {
            used: AtomicU64::new(0),
            last_used_at: AtomicI64::new(NEVER),
            by_minute: [const { AtomicU64::new(0) }; MINUTES],
            left: AtomicI64::new(BLOCK.cast_signed()),
            owed: AtomicU64::new(BLOCK),
            reserved: AtomicU64::new(reserved),
            wanted,
        }
    }

    /// Counts a token that the secret has opened, or a login that the AppSign has proven.
    pub fn used(&self, now: UnixSeconds) {
        self.used.fetch_add(1, Ordering::Relaxed);
        self.last_used_at.fetch_max(now.get(), Ordering::Relaxed);
        let minute = minute_of(now);
        let slot = &self.by_minute[minute as usize % MINUTES];
        // The first of a minute wipes what was there an hour ago. A clock set back counts into nothing, for that long.
        let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |slot| match parts_of(slot) {
            (of, count) if of == minute => Some(slot_of(minute, count.saturating_add(1))),
            (of, _) if of < minute => Some(slot_of(minute, 1)),
            _ => None,
        });
    }

    /// How often it was used lately.
    pub fn used_lately(&self, now: UnixSeconds) -> UsedLately {
        let minute = minute_of(now);
        let within = |minutes: u32| {
            let counts = self.by_minute.iter().map(|slot| parts_of(slot.load(Ordering::Relaxed)));
            counts
                .filter(|&(of, _)| minute.checked_sub(of).is_some_and(|age| age < minutes))
                .map(|(_, count)| u64::from(count))
                .sum()
        };
        UsedLately { in_5_min: within(5), in_1_h: within(60) }
    }

    /// What has not been written down yet: how many uses, and when the last was.
    pub fn unwritten(&self) -> (u64, Option<UnixSeconds>) {
        let last_used_at = Some(self.last_used_at.load(Ordering::Relaxed)).filter(|&at| at != NEVER);
        (self.used.load(Ordering::Relaxed), last_used_at.map(UnixSeconds::new))
    }

    /// Counts a token that the secret is about to seal.
    ///
    /// # Errors
    /// [`NoMint`]: it must not.
    pub fn mint(&self) -> Result<(), NoMint> {
        if self.reserved.load(Ordering::Relaxed) >= REFUSE_AT {
            return Err(NoMint::WornOut);
        }
        let left = self.left.fetch_sub(1, Ordering::Relaxed);
        if self.owed.load(Ordering::Relaxed) > 0 || left < BLOCK.cast_signed() / 2 {
            self.wanted.notify_one();
        }
        if left > 0 { Ok(()) } else { Err(NoMint::NotReserved) }
    }

    /// What should be reserved in the store now; 0 if nothing.
    fn wants(&self) -> u64 {
        let is_used = self.left.load(Ordering::Relaxed) < BLOCK.cast_signed();
        let owed = self.owed.load(Ordering::Relaxed);
        if owed > 0 && is_used {
            owed
        } else if self.left.load(Ordering::Relaxed) < BLOCK.cast_signed() / 2 {
            BLOCK
        } else {
            0
        }
    }

    /// Takes in that the store has reserved `count`, `reserved` in all.
    fn reserve(&self, count: u64, reserved: u64) {
        let owed =
            self.owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |owed| Some(owed.saturating_sub(count)));
        let paid = owed.unwrap_or_default().min(count);
        // Callers who were refused have counted below zero; that was no mint.
        let granted = (count - paid).cast_signed();
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.max(0) + granted));
        self.reserved.fetch_max(reserved, Ordering::Relaxed);
    }
}

fn minute_of(now: UnixSeconds) -> u32 {
    u32::try_from(now.get() / 60).unwrap_or_default()
}

fn parts_of(slot: u64) -> (u32, u32) {
    ((slot >> 32) as u32, slot as u32)
}

fn slot_of(minute: u32, count: u32) -> u64 {
    u64::from(minute) << 32 | u64::from(count)
}

/// How often a secret or an AppSign was used lately, in this process: whole minutes, the present one included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsedLately {
    /// In five minutes.
    pub in_5_min: u64,
    /// In sixty.
    pub in_1_h: u64,
}

/// How often one secret or AppSign was used since this was last asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// The app.
    pub app_id: AppId,
    /// The secret in its ring, or the AppSign.
    pub secret_id: String,
    /// How many tokens it opened, or logins it proved.
    pub count: u64,
    /// When it last did.
    pub last_used_at: UnixSeconds,
}

/// The counts of every secret and AppSign. They outlive the [`App`](super::App)s, which are replaced whenever a setting changes.
#[derive(Debug, Default)]
pub struct SecretUses {
    uses: Mutex<HashMap<(AppId, String), Arc<SecretUse>>>,
    wanted: Arc<Notify>,
}

impl SecretUses {
    /// The counts of one secret or AppSign. `reserved` is what the store says, if it says anything.
    pub fn of(&self, app_id: AppId, secret_id: &str, reserved: Option<u64>) -> Arc<SecretUse> {
        let mut uses = self.lock();
        let counts = uses
            .entry((app_id, secret_id.to_owned()))
            .or_insert_with(|| Arc::new(SecretUse::new(0, Arc::clone(&self.wanted))));
        counts.reserved.fetch_max(reserved.unwrap_or_default(), Ordering::Relaxed);
        Arc::clone(counts)
    }

    /// Returns when some secret may want mints reserved.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// What should be reserved in the store: app, secret, how many.
    pub fn wants(&self) -> Vec<(AppId, String, u64)> {
        let wants = |((app_id, secret_id), counts): (&(AppId, String), &Arc<SecretUse>)| match counts.wants() {
            0 => None,
            count => Some((*app_id, secret_id.clone(), count)),
        };
        self.lock().iter().filter_map(wants).collect()
    }

    /// Takes in that the store has reserved `count` mints for a secret, `reserved` in all.
    pub fn reserve(&self, app_id: AppId, secret_id: &str, count: u64, reserved: u64) {
        self.of(app_id, secret_id, None).reserve(count, reserved);
    }

    /// What was used since this was last asked, for the store.
    pub fn take_used(&self) -> Vec<Used> {
        let take = |((app_id, secret_id), counts): (&(AppId, String), &Arc<SecretUse>)| match (
            counts.used.swap(0, Ordering::Relaxed),
            counts.last_used_at.swap(NEVER, Ordering::Relaxed),
        ) {
            (0, _) | (_, NEVER) => None,
            (count, at) => {
                let last_used_at = UnixSeconds::new(at);
                Some(Used { app_id: *app_id, secret_id: secret_id.clone(), count, last_used_at })
            }
        };
        self.lock().iter().filter_map(take).collect()
    }

    /// Counts again what could not be written down.
    pub fn put_back(&self, used: &Used) {
        let counts = self.of(used.app_id, &used.secret_id, None);
        counts.used.fetch_add(used.count, Ordering::Relaxed);
        counts.last_used_at.fetch_max(used.last_used_at.get(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(AppId, String), Arc<SecretUse>>> {
        // No change in here can stop half-way, so a poisoned map is still a good one.
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses() -> (SecretUses, AppId) {
        (SecretUses::default(), AppId::new(7).unwrap())
    }

    #[test]
    fn a_process_mints_no_more_than_was_reserved() {
        let (uses, app_id) = uses();
        let secret = uses.of(app_id, "s", None);
        assert_eq!(uses.wants(), []);
        secret.mint().unwrap();
        assert_eq!(uses.wants(), [(app_id, "s".to_owned(), BLOCK)], "the block it began with is owed");
        uses.reserve(app_id, "s", BLOCK, BLOCK);
        assert_eq!(uses.wants(), []);
        let minted = 1 + (0..2 * BLOCK).filter(|_| secret.mint().is_ok()).count() as u64;
        assert_eq!(minted, BLOCK);
        assert_eq!(secret.mint(), Err(NoMint::NotReserved));
        uses.reserve(app_id, "s", BLOCK, 2 * BLOCK);
        assert_eq!((0..2 * BLOCK).filter(|_| secret.mint().is_ok()).count() as u64, BLOCK);
    }

    #[test]
    fn the_limit_holds_whoever_reserved() {
        let (uses, app_id) = uses();
        let secret = uses.of(app_id, "s", Some(REFUSE_AT - 1));
        secret.mint().unwrap();
        assert_eq!(uses.of(app_id, "s", Some(REFUSE_AT)).mint(), Err(NoMint::WornOut));
        assert_eq!(secret.mint(), Err(NoMint::WornOut), "they are the same counts");
    }

    #[test]
    fn use_is_told_by_how_long_ago_it_was() {
        let (uses, app_id) = uses();
        let secret = uses.of(app_id, "s", None);
        let at = |minute: i64| UnixSeconds::new(1_800_000_000 + minute * 60);
        let lately = |minute| {
            let UsedLately { in_5_min, in_1_h } = secret.used_lately(at(minute));
            (in_5_min, in_1_h)
        };
        assert_eq!(lately(0), (0, 0));
        for minute in [0, 0, 0, 4, 59] {
            secret.used(at(minute));
        }
        assert_eq!([lately(0), lately(4), lately(5), lately(59)], [(3, 3), (4, 4), (1, 4), (1, 5)]);
        assert_eq!([lately(60), lately(63), lately(64), lately(119)], [(1, 2), (1, 2), (0, 1), (0, 0)]);
        secret.used(at(60));
        secret.used(at(0));
        assert_eq!(lately(60), (2, 3), "the place of minute 0 is taken by minute 60, and stays so");
    }

    #[test]
    fn use_is_taken_once() {
        let (uses, app_id) = uses();
        let unwritten = || uses.of(app_id, "s", None).unwritten();
        assert_eq!(unwritten(), (0, None));
        uses.of(app_id, "s", None).used(UnixSeconds::new(5));
        uses.of(app_id, "s", None).used(UnixSeconds::new(4));
        assert_eq!(unwritten(), (2, Some(UnixSeconds::new(5))));
        let used = uses.take_used();
        assert_eq!(unwritten(), (0, None));
        assert_eq!(used, [Used { app_id, secret_id: "s".to_owned(), count: 2, last_used_at: UnixSeconds::new(5) }]);
        assert_eq!(uses.take_used(), []);
        uses.put_back(&used[0]);
        assert_eq!(unwritten(), (2, Some(UnixSeconds::new(5))));
        assert_eq!(uses.take_used(), used);
        assert_eq!(uses.wants(), [], "who seals nothing needs no mints");
    }
}
