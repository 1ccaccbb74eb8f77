//! Time and chance, as the SDK sees them. The only file that reads a clock or the system's randomness.
//!
//! What matters to a client is how much time has passed, and the server says what time it is. The date only tells it that
//! the device slept, since time that passes meanwhile is not counted; and a backend that signs its requests needs it.

use std::{
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use rand::{TryRng, rngs::SysRng};
use token_gen::UnixSeconds;
use tokio::sync::watch;

/// The date, by the machine's clock.
#[expect(clippy::disallowed_methods, reason = "this is where the SDK reads the clock")]
pub(crate) fn date() -> UnixSeconds {
    // A clock before 1970 is as wrong as one that stands there.
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixSeconds::new(since.as_secs().try_into().unwrap_or(i64::MAX))
}

/// A wait that [`Environment::sleep_until`] returns.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where time and chance come from. Replace it in tests; see [`ManualEnvironment`].
pub trait Environment: Send + Sync + 'static {
    /// The time passed since some fixed moment; never goes back.
    fn now(&self) -> Duration;

    /// Ends once [`Environment::now`] is `at` or later.
    fn sleep_until(&self, at: Duration) -> Sleep;

    /// A number drawn evenly from 0 (included) to 1 (excluded), to spread clients in time.
    fn random(&self) -> f64;

    /// The date as the device shows it, since some fixed moment. When it runs ahead of [`Environment::now`], the device
    /// has slept, and the SDK looks whether the connection is still there. By default there is none: then only
    /// [`crate::Room::check_connection`] tells it.
    fn date(&self) -> Option<Duration> {
        None
    }
}

/// The machine's monotonic clock and the operating system's randomness.
#[derive(Debug)]
pub struct SystemEnvironment {
    started: Instant,
}

impl SystemEnvironment {
    /// Starts counting now.
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemEnvironment {
    fn default() -> Self {
        Self::new()
    }
}

impl Environment for SystemEnvironment {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is where the SDK waits for time")]
    fn sleep_until(&self, at: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(at.saturating_sub(self.started.elapsed())))
    }

    fn date(&self) -> Option<Duration> {
        u64::try_from(date().get()).ok().map(Duration::from_secs)
    }

    fn random(&self) -> f64 {
        // Without randomness clients still wait, all for the middle of the range.
        SysRng.try_next_u64().map_or(0.5, unit)
    }
}

/// Time that stands still until it is moved, and chance that is the same on every run. For tests.
#[derive(Debug)]
pub struct ManualEnvironment {
    now: watch::Sender<Duration>,
    slept: Mutex<Duration>,
    chance: Chance,
}

#[derive(Debug)]
enum Chance {
    Same(f64),
    /// The state of the generator.
    Drawn(Mutex<u64>),
}

impl ManualEnvironment {
    /// Starts at zero; every draw is `random`.
    pub fn new(random: f64) -> Self {
        Self::with(Chance::Same(random))
    }

    /// Starts at zero; draws are spread evenly, and the same for the same `seed`.
    pub fn seeded(seed: u64) -> Self {
        // The generator stays at 0 for ever, so that is no state for it.
        let state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Self::with(Chance::Drawn(Mutex::new(state)))
    }

    fn with(chance: Chance) -> Self {
        Self { now: watch::Sender::new(Duration::ZERO), slept: Mutex::default(), chance }
    }

    /// Moves time forward and wakes whoever waited for that.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now = now.saturating_add(by));
    }

    /// Moves the date forward and nothing else, as when the device sleeps.
    pub fn sleep(&self, by: Duration) {
        let mut slept = self.slept.lock().unwrap_or_else(PoisonError::into_inner);
        *slept = slept.saturating_add(by);
    }
}

impl Environment for ManualEnvironment {
    fn now(&self) -> Duration {
        *self.now.borrow()
    }

    fn sleep_until(&self, at: Duration) -> Sleep {
        let mut now = self.now.subscribe();
        Box::pin(async move {
            if now.wait_for(|&now| now >= at).await.is_err() {
                // The clock is gone: time will never come.
                std::future::pending::<()>().await;
            }
        })
    }

    fn date(&self) -> Option<Duration> {
        let slept = *self.slept.lock().unwrap_or_else(PoisonError::into_inner);
        Some(self.now().saturating_add(slept))
    }

    fn random(&self) -> f64 {
        match &self.chance {
            Chance::Same(random) => *random,
            Chance::Drawn(state) => {
                // xorshift64*: enough to spread clients, and reproducible.
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                *state ^= *state >> 12;
                *state ^= *state << 25;
                *state ^= *state >> 27;
                unit(state.wrapping_mul(0x2545_F491_4F6C_DD1D))
            }
        }
    }
}

/// As many of these bits as a fraction can hold, from 0 (included) to 1 (excluded).
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_stays_in_its_range_and_varies() {
        let draws = |environment: &dyn Environment| (0..100).map(|_| environment.random()).collect::<Vec<f64>>();
        for environment in [&SystemEnvironment::new() as &dyn Environment, &ManualEnvironment::seeded(0)] {
            let draws = draws(environment);
            assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
            assert!(draws.iter().any(|&draw| draw != draws[0]));
        }
        assert_eq!(draws(&ManualEnvironment::seeded(7)), draws(&ManualEnvironment::seeded(7)));
        assert_ne!(draws(&ManualEnvironment::seeded(7)), draws(&ManualEnvironment::seeded(8)));
    }

    #[tokio::test]
    async fn manual_time_wakes_sleepers_when_it_gets_there() {
        let environment = ManualEnvironment::new(0.5);
        let mut sleep = environment.sleep_until(Duration::from_secs(2));
        environment.advance(Duration::from_secs(1));
        assert!(futures_util::poll!(&mut sleep).is_pending());
        environment.advance(Duration::from_secs(1));
        sleep.await;
        assert_eq!(environment.now(), Duration::from_secs(2));
    }
}
