//! Passwords: which are taken, and how they are kept. At most two are hashed at a time, since each takes 64 MiB.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use rand::{TryRng, rngs::SysRng};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::error::Error;

const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;
const AT_ONCE: usize = 2;
/// Whoever would wait longer than for this many others is sent away.
const WAITING: usize = 16;
const SHORTEST: usize = 12;
const LONGEST: usize = 128;

/// The hash of no password, for names that nobody has: refusing those takes as long.
const NOBODYS: &str = "$argon2id$v=19$m=65536,t=3,p=1$cm9vbXBhc3Mgbm9ib2R5$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What people choose first when they are made to choose twelve characters, in lower case.
const COMMON: &str = "\
    123456789012 1234567890123 12345678901234 123456789abc 1q2w3e4r5t6y 1qaz2wsx3edc abcd12345678 \
    abcdefghijkl administrator administrator1 changemechangeme changeme1234 computer1234 \
    correcthorsebatterystaple football1234 iloveyou1234 letmeinletmein letmeinplease monkeymonkey \
    password1234 password12345 password123456 password1password1 passwordpassword passw0rd1234 \
    p@ssw0rd1234 p@ssword1234 princess1234 qazwsxedcrfv qwerqwerqwer qwerty123456 qwerty1234567 \
    qwertyqwerty qwertyuiop12 qwertyuiop123 qwertyuiopas qwertyuiop[] sunshine1234 superman1234 \
    testtesttest testpassword trustno1trustno1 welcome12345 welcomewelcome zaq12wsxcde3";

/// Hashes and verifies.
#[derive(Debug, Clone)]
pub(super) struct Passwords {
    hands: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl Passwords {
    pub(super) fn new() -> Self {
        Self { hands: Arc::new(Semaphore::new(AT_ONCE)), queue: Arc::new(Semaphore::new(AT_ONCE + WAITING)) }
    }

    /// The hash to keep, as a PHC string.
    pub(super) async fn hash(&self, password: &str) -> Result<String, Error> {
        let mut salt = [0; 16];
        SysRng.try_fill_bytes(&mut salt).map_err(|_| Error::Randomness)?;
        let password = Zeroizing::new(password.to_owned());
        let hashed = self.hands_on(move || argon2()?.hash_password_with_salt(password.as_bytes(), &salt).ok()).await?;
        hashed.map(|hash| hash.to_string()).ok_or(Error::Internal("argon2 refuses its own parameters"))
    }

    /// Whether `password` has this hash. Without a hash the answer is no, and takes as long.
    pub(super) async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, Error> {
        let known = hash.is_some();
        let hash = hash.unwrap_or(NOBODYS).to_owned();
        let password = Zeroizing::new(password.to_owned());
        let right = self.hands_on(move || {
            let hash = PasswordHash::new(&hash).ok()?;
            Some(argon2()?.verify_password(password.as_bytes(), &hash).is_ok())
        });
        Ok(right.await?.ok_or(Error::Internal("a stored password hash cannot be read"))? && known)
    }

    async fn hands_on<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let _place = self.queue.try_acquire().map_err(|_| Error::Busy)?;
        // Never closed.
        let hand = Arc::clone(&self.hands).acquire_owned().await.map_err(|_| Error::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(hand);
            done
        });
        done.await.map_err(|_| Error::Internal("hashing a password failed"))
    }
}

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Refuses a password that is too short, too long, or one of the first that anybody would try.
pub(super) fn check(password: &str, name: &str) -> Result<(), Error> {
    let refuse = |reason: &str| Err(Error::field("password", reason));
    if !(SHORTEST..=LONGEST).contains(&password.chars().count()) {
        return refuse("must have 12 to 128 characters; 15 or more are better");
    }
    let lower = password.to_lowercase();
    let mut distinct: Vec<char> = lower.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if COMMON.split(' ').any(|common| common == lower) || distinct.len() < 5 {
        return refuse("is one of those that are tried first");
    }
    if lower.contains("roompass") || (name.len() >= 4 && lower.contains(name)) {
        return refuse("must hold neither the name to sign in with nor that of this program");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_has_its_hash_only_and_nobody_has_none() {
        let passwords = Passwords::new();
        let hash = passwords.hash("a long enough one").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=65536,t=3,p=1$"));
        assert_ne!(hash, passwords.hash("a long enough one").await.unwrap());
        assert!(passwords.verify("a long enough one", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("a long enough onE", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("a long enough one", None).await.unwrap());
        assert!(matches!(passwords.verify("a", Some("nonsense")).await, Err(Error::Internal(_))));
    }

    #[tokio::test]
    async fn a_crowd_is_sent_away() {
        let passwords = Passwords::new();
        // Nobody is done before everybody has come: the hands wait until the sender is gone.
        let (door, opens) = std::sync::mpsc::channel::<()>();
        let opens = Arc::new(std::sync::Mutex::new(opens));
        let crowd = (0..100).map(|_| {
            let opens = Arc::clone(&opens);
            passwords.hands_on(move || opens.lock().is_ok_and(|opens| opens.recv().is_err()))
        });
        let mut crowd = std::pin::pin!(futures_util::future::join_all(crowd));
        assert!(futures_util::poll!(&mut crowd).is_pending());
        drop(door);
        let served = crowd.await;
        assert_eq!(served.iter().filter(|one| one.is_ok()).count(), AT_ONCE + WAITING);
    }

    #[test]
    fn what_is_tried_first_is_refused() {
        for good in ["a long enough one", "xK3-ab 9.nQ2", &"é1ü2ö3".repeat(2), &"abcde".repeat(25)] {
            check(good, "owner").unwrap();
        }
        for bad in [
            "",
            "short",
            "elevenchars",
            "PASSWORDpassword",
            "aaaaaaaaaaaaaaa",
            "my owner 12345",
            "roompass-12345",
            &"ab1cd".repeat(26),
        ] {
            assert!(check(bad, "owner").is_err(), "{bad}");
        }
    }
}
