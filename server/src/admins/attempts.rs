//! Who may try to sign in again, and when: a delay that grows, then a lock. Counted before the try, so that many at
//! once gain nothing.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use token_gen::UnixSeconds;

use crate::{error::Error, limits::Source};

const FREE_TRIES: u32 = 3;
const TRIES_BEFORE_LOCK: u32 = 10;
const LOCK: Duration = Duration::from_secs(15 * 60);
const MAX_ENTRIES: usize = 100_000;
const SECOND_FACTOR_TRIES: u32 = 5;

/// Tries that were not successful.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    hasher: RandomState,
    entries: Mutex<HashMap<u64, Attempt>>,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    tries: u32,
    first: UnixSeconds,
    last: UnixSeconds,
}

impl Attempts {
    /// Counts a try of `source` to be `name`. Nobody else's tries count against it, so nobody can lock an admin out.
    ///
    /// # Errors
    /// [`Error::RateLimited`] while it is too early.
    pub(super) fn begin_sign_in(&self, name: &str, source: Source, now: UnixSeconds) -> Result<(), Error> {
        self.begin(&(name, source), now, Rule { forget_after: |attempt| attempt.last, wait: sign_in_wait })
    }

    /// The sign-in was good: its tries are forgotten.
    pub(super) fn end_sign_in(&self, name: &str, source: Source) {
        self.end(&(name, source));
    }

    /// Counts a try of a second factor by somebody who has the password: five in 15 minutes, from wherever.
    ///
    /// # Errors
    /// [`Error::RateLimited`] while it is too early.
    pub(super) fn begin_second_factor(&self, admin_id: &str, now: UnixSeconds) -> Result<(), Error> {
        self.begin(&admin_id, now, Rule { forget_after: |attempt| attempt.first, wait: second_factor_wait })
    }

    /// The second factor was good: its tries are forgotten.
    pub(super) fn end_second_factor(&self, admin_id: &str) {
        self.end(&admin_id);
    }

    fn begin(&self, key: &impl Hash, now: UnixSeconds, rule: Rule) -> Result<(), Error> {
        let key = self.hasher.hash_one(key);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |attempt: &Attempt| now >= (rule.forget_after)(attempt).saturating_add(LOCK);
        if entries.len() >= MAX_ENTRIES && !entries.contains_key(&key) {
            entries.retain(|_, attempt| !is_over(attempt));
            if entries.len() >= MAX_ENTRIES {
                return Err(Error::RateLimited { retry_after: LOCK });
            }
        }
        let fresh = Attempt { tries: 0, first: now, last: now };
        let attempt = entries.entry(key).or_insert(fresh);
        if is_over(attempt) {
            *attempt = fresh;
        }
        let next = (rule.wait)(attempt);
        if now < next {
            return Err(Error::RateLimited { retry_after: next.duration_since(now) });
        }
        attempt.tries += 1;
        attempt.last = now;
        Ok(())
    }

    fn end(&self, key: &impl Hash) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.hasher.hash_one(key));
    }
}

/// When tries are forgotten, and how long the next one has to wait.
struct Rule {
    /// From when on the lock counts after which all is forgotten.
    forget_after: fn(&Attempt) -> UnixSeconds,
    /// When the next try may be.
    wait: fn(&Attempt) -> UnixSeconds,
}

/// 1, 2, 4 … 64 seconds after the third to the ninth try, then the lock.
fn sign_in_wait(attempt: &Attempt) -> UnixSeconds {
    attempt.last.saturating_add(match attempt.tries {
        ..FREE_TRIES => Duration::ZERO,
        tries @ ..TRIES_BEFORE_LOCK => Duration::from_secs(1 << (tries - FREE_TRIES)),
        _ => LOCK,
    })
}

/// Nothing, then the rest of the lock.
fn second_factor_wait(attempt: &Attempt) -> UnixSeconds {
    match attempt.tries {
        ..SECOND_FACTOR_TRIES => attempt.last,
        _ => attempt.first.saturating_add(LOCK),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> UnixSeconds {
        UnixSeconds::new(second)
    }

    fn source(last: u8) -> Source {
        Source::of([192, 0, 2, last].into())
    }

    // proves T59 (brute force)
    #[test]
    fn tries_wait_longer_and_longer_then_lock_for_that_source_only() {
        let attempts = Attempts::default();
        let mut now = 1_000;
        let mut waits = Vec::new();
        for _ in 0..10 {
            if let Err(Error::RateLimited { retry_after }) = attempts.begin_sign_in("owner", source(1), at(now)) {
                waits.push(retry_after.as_secs());
                now += i64::try_from(retry_after.as_secs()).unwrap();
                attempts.begin_sign_in("owner", source(1), at(now)).unwrap();
            }
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64]);
        let locked = attempts.begin_sign_in("owner", source(1), at(now)).unwrap_err();
        assert!(matches!(locked, Error::RateLimited { retry_after } if retry_after == LOCK));
        attempts.begin_sign_in("owner", source(2), at(now)).unwrap();
        attempts.begin_sign_in("other", source(1), at(now)).unwrap();
        attempts.begin_sign_in("owner", source(1), at(now + 900)).unwrap();
    }

    #[test]
    fn many_tries_at_once_count_one_by_one() {
        let attempts = Attempts::default();
        let begun = (0..100).filter(|_| attempts.begin_sign_in("owner", source(1), at(0)).is_ok()).count();
        assert_eq!(begun, 3);
        attempts.end_sign_in("owner", source(1));
        attempts.begin_sign_in("owner", source(1), at(0)).unwrap();
    }

    // proves T59 (second factor)
    #[test]
    fn the_second_factor_has_five_tries_in_fifteen_minutes() {
        let attempts = Attempts::default();
        let begun = (0..900).filter(|&now| attempts.begin_second_factor("id", at(now)).is_ok()).count();
        assert_eq!(begun, 5);
        attempts.begin_second_factor("other", at(899)).unwrap();
        // However they are spread, there are never more than five between one forgetting and the next.
        let slowly = (900..9_000).step_by(100).filter(|&now| attempts.begin_second_factor("id", at(now)).is_ok());
        assert_eq!(slowly.count(), 45);
        attempts.end_second_factor("id");
        attempts.begin_second_factor("id", at(8_900)).unwrap();
    }

    // proves T64 (sign-in attempts)
    #[test]
    fn a_flood_of_names_is_bounded_and_forgets_nobody() {
        let attempts = Attempts::default();
        for _ in 0..3 {
            attempts.begin_sign_in("owner", source(1), at(0)).unwrap();
        }
        let begun = (0..MAX_ENTRIES + 50)
            .filter(|number| attempts.begin_sign_in(&number.to_string(), source(1), at(0)).is_ok())
            .count();
        assert_eq!(begun, MAX_ENTRIES - 1);
        assert!(attempts.begin_sign_in("owner", source(1), at(0)).is_err());
        attempts.begin_sign_in("somebody new", source(1), at(900)).unwrap();
    }
}
