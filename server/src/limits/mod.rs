//! How much one caller or one source may ask: token buckets, and where a request comes from.
//!
//! Counts only, for this node. Knows no HTTP; time arrives as `now`, in whole seconds.

mod buckets;
mod source;

use std::{net::IpAddr, sync::Arc};

use token_gen::UnixSeconds;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use buckets::{Buckets, Quota, Verdict};
pub use source::{ClientAddress, Source, TrustedProxies};

use crate::{error::Error, keys::Caller};

/// The most sources, and the most callers, that are counted at a time: some tens of megabytes.
const MAX_KEYS: usize = 200_000;

/// What the operator allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSettings {
    /// For a backend key without a limit of its own.
    pub key: Quota,
    /// For everything from one source.
    pub source: Quota,
    /// For wrong credentials from one source.
    pub guesses: Quota,
    /// Requests under way at a time.
    pub concurrent_requests: usize,
    /// Connections open at a time.
    pub connections: usize,
    /// Whose word on addresses is taken.
    pub proxies: TrustedProxies,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            key: Quota::per_second(2_000),
            source: Quota::per_second(10_000),
            guesses: Quota::per_minute(20),
            concurrent_requests: 1_024,
            connections: 20_000,
            proxies: TrustedProxies::default(),
        }
    }
}

/// A connection's place among those that may be open at a time. A socket that outlives the HTTP connection it came
/// over keeps a clone.
#[derive(Debug, Clone)]
pub struct ConnectionPlace(pub Arc<OwnedSemaphorePermit>);

/// Every count of this node.
#[derive(Debug)]
pub struct Limits {
    keys: Buckets<String>,
    sources: Buckets<Source>,
    guesses: Buckets<Source>,
    requests: Arc<Semaphore>,
    proxies: TrustedProxies,
}

/// What a caller has left, for whoever wants to slow down in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The quota.
    pub quota: Quota,
    /// How many requests are left right now.
    pub remaining: u64,
}

impl Limits {
    /// Counts from zero.
    pub fn new(settings: &LimitSettings) -> Self {
        Self {
            keys: Buckets::new(settings.key, MAX_KEYS),
            sources: Buckets::new(settings.source, MAX_KEYS),
            guesses: Buckets::new(settings.guesses, MAX_KEYS),
            requests: Arc::new(Semaphore::new(settings.concurrent_requests)),
            proxies: settings.proxies.clone(),
        }
    }

    /// Where a request from `peer` with these `X-Forwarded-For` values comes from.
    pub fn client<'a>(&self, peer: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a str>) -> ClientAddress {
        ClientAddress(self.proxies.client(peer, forwarded))
    }

    /// Counts a request of `source`; it is under way until the permit is dropped.
    ///
    /// # Errors
    /// [`Error::RateLimited`] for too many of this source, [`Error::Busy`] for too many at a time.
    pub fn admit(&self, source: Source, now: UnixSeconds) -> Result<OwnedSemaphorePermit, Error> {
        allowed(self.sources.take(&source, now))?;
        Arc::clone(&self.requests).try_acquire_owned().map_err(|_| Error::Busy)
    }

    /// Counts a request of a proven caller.
    ///
    /// # Errors
    /// [`Error::RateLimited`].
    pub fn spend(&self, caller: &Caller, now: UnixSeconds) -> Result<Allowance, Error> {
        let quota = caller.scope.max_per_second.map_or(self.keys.quota(), Quota::per_second);
        let remaining = allowed(self.keys.take_of(caller.key_id.as_str(), quota, now))?;
        Ok(Allowance { quota, remaining })
    }

    /// Whether `source` may show a credential.
    ///
    /// # Errors
    /// [`Error::RateLimited`] after too many wrong ones, whether this one is right or not.
    pub fn may_guess(&self, source: Source, now: UnixSeconds) -> Result<(), Error> {
        allowed(self.guesses.peek(&source, now)).map(|_| ())
    }

    /// Counts a wrong credential against `source`, and against nobody else: guessing at a caller's key does not
    /// lock the caller out.
    pub fn note_wrong_guess(&self, source: Source, now: UnixSeconds) {
        self.guesses.take(&source, now);
    }
}

fn allowed(verdict: Verdict) -> Result<u64, Error> {
    match verdict {
        Verdict::Allowed { remaining } => Ok(remaining),
        Verdict::Refused { retry_after } => Err(Error::RateLimited { retry_after }),
    }
}
