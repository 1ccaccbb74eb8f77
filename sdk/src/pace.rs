//! How fast requests may follow one another, so that the server never has to cut a busy client off. Pure.

use std::time::Duration;

/// The server lets a connection send 50 messages a second and 100 at once, pings and pongs included. This stays below.
const INTERVAL: Duration = Duration::from_millis(25);
const AT_ONCE: u32 = 80;

/// The requests of one connection.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When all requests so far would have been sent, one after the other at the pace.
    caught_up_at: Duration,
}

impl Pace {
    /// When the next request may be sent.
    pub(crate) fn ready_at(&self) -> Duration {
        self.caught_up_at.saturating_sub(INTERVAL * (AT_ONCE - 1))
    }

    /// A request is sent.
    pub(crate) fn take(&mut self, now: Duration) {
        self.caught_up_at = self.caught_up_at.max(now) + INTERVAL;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_may_go_at_once_and_then_as_many_as_time_allows() {
        let mut pace = Pace::default();
        let mut now = Duration::from_secs(100);
        for _ in 0..AT_ONCE {
            assert!(pace.ready_at() <= now);
            pace.take(now);
        }
        assert_eq!(pace.ready_at(), now + INTERVAL);
        let mut sent = 0;
        while now < Duration::from_secs(110) {
            now = pace.ready_at();
            pace.take(now);
            sent += 1;
        }
        assert_eq!(sent, 400);
    }
}
