//! The one clock. Rules never read it: they are given `now`. Only the edge and the timers hold a [`Clock`].

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use token_gen::UnixSeconds;
use tokio::sync::watch;

/// Tells the time and waits for it.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The current second.
    fn now(&self) -> UnixSeconds;

    /// Returns once `now()` is `at` or later.
    async fn sleep_until(&self, at: UnixSeconds);
}

/// The machine's clock, which here never runs backwards: a token that has expired stays expired even when the
/// machine's time is set back, until the process restarts.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    started_at_millis: i64,
    /// The latest moment told, in milliseconds.
    floor: AtomicI64,
}

impl SystemClock {
    /// The machine's clock.
    pub fn new() -> Self {
        let started_at_millis = wall_millis();
        Self { started: Instant::now(), started_at_millis, floor: AtomicI64::new(started_at_millis) }
    }

    /// The wall clock, but never less than the time since the start says it must be, nor than what was told before.
    fn now_millis(&self) -> i64 {
        let elapsed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let now = wall_millis().max(self.started_at_millis.saturating_add(elapsed));
        self.floor.fetch_max(now, Ordering::Relaxed).max(now)
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn wall_millis() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> UnixSeconds {
        UnixSeconds::new(self.now_millis().div_euclid(1000))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    async fn sleep_until(&self, at: UnixSeconds) {
        loop {
            let left = at.get().saturating_mul(1000).saturating_sub(self.now_millis());
            let Ok(left @ 1..) = u64::try_from(left) else { return };
            // In slices, so that a wall clock set forward is noticed.
            tokio::time::sleep(Duration::from_millis(left.min(1000))).await;
        }
    }
}

/// A clock that stands still until it is moved. For tests and demonstrations.
#[derive(Debug)]
pub struct ManualClock(watch::Sender<UnixSeconds>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: UnixSeconds) -> Self {
        Self(watch::Sender::new(now))
    }

    /// Moves it forward and wakes whoever waited for that.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now = now.saturating_add(by));
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> UnixSeconds {
        *self.0.borrow()
    }

    async fn sleep_until(&self, at: UnixSeconds) {
        // Fails only when the sender is gone, and `self` holds it.
        let _ = self.0.subscribe().wait_for(|&now| now >= at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_sleepers_when_it_gets_there() {
        let clock = ManualClock::new(UnixSeconds::new(100));
        clock.sleep_until(UnixSeconds::new(100)).await;
        let mut sleep = std::pin::pin!(clock.sleep_until(UnixSeconds::new(110)));
        clock.advance(Duration::from_secs(9));
        assert!(futures_util::poll!(&mut sleep).is_pending());
        clock.advance(Duration::from_secs(1));
        sleep.await;
        assert_eq!(clock.now(), UnixSeconds::new(110));
    }

    #[test]
    fn the_system_clock_never_shows_less_than_before() {
        let clock = SystemClock::new();
        clock.floor.store(wall_millis() + 3_600_000, Ordering::Relaxed);
        assert!(clock.now().get() * 1000 >= wall_millis() + 3_590_000);
    }
}
