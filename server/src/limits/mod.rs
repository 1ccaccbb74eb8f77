//! How much one caller or one source may ask: token buckets, and where a request comes from.
//!
//! Counts only, for this node. Knows no HTTP; time arrives as `now`, in whole seconds.

mod buckets;
mod descriptors;
mod places;
mod pressure;
mod source;

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;
use token_gen::UnixSeconds;
use tokio::sync::OwnedSemaphorePermit;

pub use buckets::{Buckets, Quota, Verdict};
pub use places::Places;
pub use pressure::{Pressure, Work};
pub use source::{ClientAddress, Source, TrustedProxies};

use crate::{
    error::Error,
    keys::Caller,
    metrics::{Limit, Metrics},
};

/// The most sources, and the most callers, that are counted at a time: some tens of megabytes.
const MAX_KEYS: usize = 200_000;

/// How many searches of the audit trail the store does for us at a time: for apps, and as many for operators, who are
/// not to wait for an app when they look for what is wrong. It has more hands than these, so that whoever searches keeps
/// nobody from minting, who waits for the trail to be written.
const MAX_SEARCHES: usize = 2;
/// How many looks at the live rooms of all nodes are under way at a time; others wait. What an operator does has no such
/// limit: it does not wait behind those who only look.
const MAX_LOOKS: usize = 8;

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

/// The least connections that may be without a login: a crowd behind one address shall get in at a small server, too.
const MIN_WAITING: usize = 100;

/// How many connections may be without a login where `connections` may be open: a twentieth of those that there are
/// descriptors for.
pub(crate) fn waiting(connections: usize) -> usize {
    share_that_waits(descriptors::connections(connections))
}

fn share_that_waits(connections: usize) -> usize {
    (connections / 20).max(MIN_WAITING)
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
    requests: Places,
    connections: Places,
    searches: Places,
    operator_searches: Places,
    looks: Places,
    pressure: Pressure,
    proxies: ArcSwap<TrustedProxies>,
    metrics: Arc<Metrics>,
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
    /// Counts from zero, and tells `metrics` of refusals.
    pub fn new(settings: &LimitSettings, metrics: Arc<Metrics>) -> Self {
        Self {
            keys: Buckets::new(settings.key, MAX_KEYS),
            sources: Buckets::new(settings.source, MAX_KEYS),
            guesses: Buckets::new(settings.guesses, MAX_KEYS),
            requests: Places::new(settings.concurrent_requests),
            connections: Places::new(descriptors::connections(settings.connections)),
            searches: Places::new(MAX_SEARCHES),
            operator_searches: Places::new(MAX_SEARCHES),
            looks: Places::new(MAX_LOOKS),
            pressure: Pressure::default(),
            proxies: ArcSwap::from_pointee(settings.proxies.clone()),
            metrics,
        }
    }

    /// Allows as much as `settings` say from now on. What was counted so far stays counted.
    pub fn change(&self, settings: &LimitSettings) {
        self.keys.set_quota(settings.key);
        self.sources.set_quota(settings.source);
        self.guesses.set_quota(settings.guesses);
        self.requests.resize(settings.concurrent_requests);
        self.connections.resize(descriptors::connections(settings.connections));
        self.warn_if_short(settings.connections);
        self.proxies.store(Arc::new(settings.proxies.clone()));
    }

    /// Says in the log if `wanted` connections are more than there are file descriptors for.
    pub(crate) fn warn_if_short(&self, wanted: usize) {
        let possible = self.connections.size();
        if possible < wanted {
            tracing::warn!(
                "there are file descriptors for {possible} connections, not {wanted}: raise the limit (LimitNOFILE, \
                 ulimit -n), or lower limits.connections"
            );
        }
    }

    /// The connections that may be open at a time.
    pub fn connections(&self) -> &Places {
        &self.connections
    }

    /// The requests that may be under way at a time.
    pub fn requests(&self) -> &Places {
        &self.requests
    }

    /// How late everything is.
    pub fn pressure(&self) -> &Pressure {
        &self.pressure
    }

    /// Whether there is time to mint.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub fn mint(&self) -> Result<(), Error> {
        if self.pressure.has_time_for(Work::Mint) {
            return Ok(());
        }
        self.metrics.limited(Limit::Pressure);
        Err(Error::Busy)
    }

    /// The searches in one app, whichever that is, that may be under way at a time.
    pub fn searches(&self) -> &Places {
        &self.searches
    }

    /// The searches over all apps that may be under way at a time.
    pub fn operator_searches(&self) -> &Places {
        &self.operator_searches
    }

    /// The looks at live rooms that may be under way at a time.
    pub fn looks(&self) -> &Places {
        &self.looks
    }

    /// Where a request from `peer` with these `X-Forwarded-For` values comes from.
    pub fn client<'a>(&self, peer: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a str>) -> ClientAddress {
        ClientAddress(self.proxies.load().client(peer, forwarded))
    }

    /// Counts a request of `source`; it is under way until the permit is dropped.
    ///
    /// # Errors
    /// [`Error::RateLimited`] for too many of this source, [`Error::Busy`] for too many at a time.
    pub fn admit(&self, source: Source, now: UnixSeconds) -> Result<OwnedSemaphorePermit, Error> {
        self.allowed(Limit::Source, self.sources.take(&source, now))?;
        self.requests.try_take().map_err(|_| {
            self.metrics.limited(Limit::Concurrency);
            Error::Busy
        })
    }

    /// Counts a request of a proven caller.
    ///
    /// # Errors
    /// [`Error::RateLimited`].
    pub fn spend(&self, caller: &Caller, now: UnixSeconds) -> Result<Allowance, Error> {
        let quota = caller.scope.max_per_second.map_or(self.keys.quota(), Quota::per_second);
        let remaining = self.allowed(Limit::Key, self.keys.take_of(caller.key_id.as_str(), quota, now))?;
        Ok(Allowance { quota, remaining })
    }

    /// Whether `source` may show a credential.
    ///
    /// # Errors
    /// [`Error::RateLimited`] after too many wrong ones, whether this one is right or not.
    pub fn may_guess(&self, source: Source, now: UnixSeconds) -> Result<(), Error> {
        self.allowed(Limit::Guesses, self.guesses.peek(&source, now)).map(|_| ())
    }

    /// Counts a wrong credential against `source`, and against nobody else: guessing at a caller's key does not
    /// lock the caller out.
    pub fn note_wrong_guess(&self, source: Source, now: UnixSeconds) {
        self.guesses.take(&source, now);
    }

    fn allowed(&self, limit: Limit, verdict: Verdict) -> Result<u64, Error> {
        match verdict {
            Verdict::Allowed { remaining } => Ok(remaining),
            Verdict::Refused { retry_after } => {
                self.metrics.limited(limit);
                Err(Error::RateLimited { retry_after })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twentieth_may_be_without_a_login_and_never_too_few() {
        assert_eq!([200_000, 20_000, 1_020, 10].map(share_that_waits), [10_000, 1_000, 100, 100]);
        assert_eq!(waiting(1_000), 100);
    }
}
