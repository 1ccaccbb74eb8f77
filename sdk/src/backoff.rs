//! How long to wait before trying again: doubling, with full jitter. Pure: chance comes in, a length comes out.

use std::time::Duration;

/// A run of tries that keep failing.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    shortest: Duration,
    longest: Duration,
    ceiling: Duration,
}

impl Backoff {
    /// For calls of the app's hook: 0.5 to 60 s.
    pub(crate) fn for_hook() -> Self {
        Self::new(Duration::from_millis(500), Duration::from_secs(60))
    }

    /// For connections: the first try within a second, the later ones within 30 s.
    pub(crate) fn for_connection() -> Self {
        Self::new(Duration::ZERO, Duration::from_secs(30))
    }

    fn new(shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest, ceiling: Duration::from_secs(1) }
    }

    /// The wait before the next try; `chance` is from 0 to 1.
    pub(crate) fn next(&mut self, chance: f64) -> Duration {
        let span = self.ceiling.saturating_sub(self.shortest);
        let wait = self.shortest + span.mul_f64(chance.clamp(0.0, 1.0));
        self.ceiling = (self.ceiling * 2).min(self.longest);
        wait
    }

    /// The wait before the next try when the other side asks for `asked`: that, and chance on top, so that not everybody
    /// comes at its end; but not for much longer, since the other side knows best.
    pub(crate) fn next_after(&mut self, asked: Duration, chance: f64) -> Duration {
        // Who asks for nothing at all gets a moment all the same.
        let asked = asked.max(Duration::from_secs(1));
        let spread = self.ceiling.min(asked * 2).mul_f64(chance.clamp(0.0, 1.0));
        self.ceiling = (self.ceiling * 2).min(self.longest);
        asked + spread
    }

    /// Starts over after a success.
    pub(crate) fn reset(&mut self) {
        self.ceiling = Duration::from_secs(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(mut backoff: Backoff, chance: f64) -> Vec<f64> {
        (0..9).map(|_| backoff.next(chance).as_secs_f64()).collect()
    }

    #[test]
    fn waits_double_up_to_their_limit() {
        assert_eq!(waits(Backoff::for_hook(), 1.0), [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]);
        assert_eq!(waits(Backoff::for_hook(), 0.0), [0.5; 9]);
        assert_eq!(waits(Backoff::for_connection(), 1.0), [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]);
        assert_eq!(waits(Backoff::for_connection(), 0.0), [0.0; 9]);
    }

    #[test]
    fn what_the_other_side_asks_for_is_kept_to_and_bounds_the_rest() {
        let mut backoff = Backoff::for_connection();
        let asked = Duration::from_secs(5);
        let waits: Vec<_> = (0..6).map(|_| backoff.next_after(asked, 1.0).as_secs()).collect();
        assert_eq!(waits, [6, 7, 9, 13, 15, 15]);
        assert_eq!(backoff.next_after(asked, 0.0), asked);
    }

    #[test]
    fn a_success_starts_the_waits_over() {
        let mut backoff = Backoff::for_connection();
        for _ in 0..5 {
            backoff.next(1.0);
        }
        backoff.reset();
        assert_eq!(backoff.next(1.0), Duration::from_secs(1));
    }
}
