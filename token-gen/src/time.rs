//! Instants and lifetimes. The clock itself is never read here: `now` always comes from the caller.

use core::{fmt, time::Duration};

/// The longest lifetime a token may have: 24 days, the limit the field documents.
pub const MAX_LIFETIME: Duration = Duration::from_secs(24 * 24 * 3600);

/// An instant in whole seconds since 1970-01-01 UTC.
///
/// A plain count: any `i64` can be written in a token, so any is representable here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(i64);

impl UnixSeconds {
    /// The instant `seconds` after 1970-01-01 UTC (before it, if negative).
    pub const fn new(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01 UTC.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// This instant moved forward by the whole seconds of `duration`; the last representable instant on overflow.
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(duration.as_secs()))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn duration_since(self, earlier: Self) -> Duration {
        if self <= earlier {
            return Duration::ZERO;
        }
        Duration::from_secs(self.0.abs_diff(earlier.0))
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<i64> for UnixSeconds {
    fn from(seconds: i64) -> Self {
        Self(seconds)
    }
}
