//! The one clock. Rules never read it: they are given `now`. Only the edge and the timers hold a [`Clock`].

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
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

    /// How often the time was set by more than [`JUMP`] since the start, as far as this clock can be set.
    fn jumps(&self) -> u64 {
        0
    }
}

/// What is no drift any more.
pub const JUMP: Duration = Duration::from_secs(5);

/// The machine's clock, which here never runs backwards and never stands still: a token that has expired stays
/// expired even when the machine's time is set back, until the process restarts.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    started_at: Duration,
    latest: Mutex<Reading>,
    jumps: AtomicU64,
}

/// What was told last, since 1970, and when that was by the clock that nobody can set.
#[derive(Debug, Clone, Copy)]
struct Reading {
    told: Duration,
    elapsed: Duration,
    /// What the machine's clock showed then.
    wall: Duration,
}

impl Reading {
    /// The wall clock's time. While that is behind what was told, time goes on at half its pace until the wall clock
    /// has caught up: if it stood still, no timeout would end and no pause be long enough.
    fn next(self, floor: Duration, wall: Duration, elapsed: Duration) -> Self {
        // Read before this one, and told after it: it is no news, and not a clock that was set.
        if elapsed < self.elapsed {
            return self;
        }
        let slowed = self.told.saturating_add(elapsed.saturating_sub(self.elapsed) / 2);
        Self { told: wall.max(floor).max(slowed), elapsed, wall }
    }

    /// By how much the machine's clock was set since `before`, in seconds, if that is a jump.
    fn jump_since(self, before: Self) -> Option<f64> {
        let passed = self.elapsed.saturating_sub(before.elapsed);
        let expected = before.wall.saturating_add(passed);
        (self.wall.abs_diff(expected) > JUMP).then_some(self.wall.as_secs_f64() - expected.as_secs_f64())
    }
}

impl SystemClock {
    /// The machine's clock.
    pub fn new() -> Self {
        let started_at = wall();
        let latest = Reading { told: started_at, elapsed: Duration::ZERO, wall: started_at };
        Self { started: Instant::now(), started_at, latest: Mutex::new(latest), jumps: AtomicU64::new(0) }
    }

    /// The time since 1970: never less than the time since the start says it must be, nor than what was told before.
    fn since_epoch(&self) -> Duration {
        // Both are read before the lock is taken: every request takes it several times, and whoever is kept from the
        // processor while holding it keeps all others waiting.
        let (elapsed, wall) = (self.started.elapsed(), wall());
        let floor = self.started_at.saturating_add(elapsed);
        let (before, reading) = {
            let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
            let before = *latest;
            *latest = before.next(floor, wall, elapsed);
            (before, *latest)
        };
        if let Some(secs) = reading.jump_since(before) {
            self.jumps.fetch_add(1, Ordering::Relaxed);
            tracing::warn!("the machine's clock was set by {secs:+.1} s; what has expired stays expired");
        }
        reading.told
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> UnixSeconds {
        UnixSeconds::new(0).saturating_add(self.since_epoch())
    }

    fn jumps(&self) -> u64 {
        self.jumps.load(Ordering::Relaxed)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    async fn sleep_until(&self, at: UnixSeconds) {
        let at = at.duration_since(UnixSeconds::new(0));
        loop {
            let left = at.saturating_sub(self.since_epoch());
            if left.is_zero() {
                return;
            }
            // In slices, so that a wall clock set forward is noticed; not too fine, since time may run at half pace.
            tokio::time::sleep(left.clamp(Duration::from_millis(1), Duration::from_secs(1))).await;
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

    // proves F4 (within a process)
    #[test]
    fn a_clock_set_back_neither_runs_back_nor_stands_still() {
        let secs = Duration::from_secs;
        let first = Reading { told: secs(10_000), elapsed: secs(100), wall: secs(10_000) };
        let forward = first.next(secs(0), secs(13_600), secs(100));
        assert_eq!(forward.told, secs(13_600));
        let back = forward.next(secs(0), secs(10_002), secs(102));
        assert_eq!(back.told, secs(13_601));
        let later = back.next(secs(0), secs(12_000), secs(2_100));
        assert_eq!(later.told, secs(14_600));
        let caught_up = later.next(secs(0), secs(17_000), secs(7_100));
        assert_eq!(caught_up.told, secs(17_100));
        assert_eq!(caught_up.next(secs(0), secs(17_400), secs(7_500)).told, secs(17_400));
    }

    // proves F4 (jumps are counted)
    #[test]
    fn a_clock_that_is_set_by_more_than_drift_is_noticed_once() {
        let secs = Duration::from_secs;
        let mut reading = Reading { told: secs(10_000), elapsed: secs(100), wall: secs(10_000) };
        for (wall, elapsed, jump) in [
            (10_010, 110, None),
            (10_025, 120, None),
            (13_625, 120, Some(3600.0)),
            (13_635, 130, None),
            (10_035, 130, Some(-3600.0)),
            (10_036, 131, None),
            (10_042, 131, Some(6.0)),
            // Whoever read this was kept from the processor meanwhile.
            (10_022, 117, None),
            (10_043, 132, None),
        ] {
            let next = reading.next(secs(0), secs(wall), secs(elapsed));
            assert_eq!(next.jump_since(reading), jump, "{wall} {elapsed}");
            reading = next;
        }
    }

    #[tokio::test]
    async fn the_system_clock_shows_the_machines_time_and_wakes_sleepers_by_it() {
        let clock = SystemClock::new();
        let now = clock.now();
        assert!(now.get().abs_diff(wall().as_secs() as i64) <= 1);
        clock.sleep_until(now).await;
        clock.sleep_until(UnixSeconds::new(i64::MIN)).await;
        assert!(clock.now() >= now);
    }
}
