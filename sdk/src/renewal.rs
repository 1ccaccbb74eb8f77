//! When to ask the app for a new token: a pure function of the token's life, the time passed and chance.
//!
//! It knows neither tokens nor sockets nor the hook itself. At most one call is ever under way, because a call that
//! has begun leaves nothing due until it is answered.

use std::time::Duration;

use crate::backoff::Backoff;

/// The least time from an accepted token to the next call, but for tokens that would be over by then: those are renewed
/// when half of their life is over.
const LEAST_INTERVAL: Duration = Duration::from_secs(5);
/// The least time between two calls, however short the tokens: the promise that there is no hot loop.
const LEAST_OF_ALL: Duration = Duration::from_millis(500);
/// Enough to fetch a token over a bad network, with a retry.
const LEAST_LEAD: Duration = Duration::from_secs(30);
/// The share of the lead by which clients are spread.
const SPREAD: f64 = 0.25;

/// How long before its expiry a token that lives for `life` is renewed: 30 s or a fifth of its life, whichever is more,
/// but never more than half of it.
pub(crate) fn lead(life: Duration) -> Duration {
    LEAST_LEAD.max(life / 5).min(life / 2)
}

/// The lead that chance gives: the lead and up to a quarter on top, so that clients whose tokens end together do not renew
/// together, and none is late for it. Where that would be more than half of the life, the quarter ends there instead.
fn spread_lead(life: Duration, chance: f64) -> Duration {
    let lead = lead(life);
    let most = lead.mul_f64(1.0 + SPREAD).min(life / 2);
    most.saturating_sub(lead.mul_f64(SPREAD * (1.0 - chance.clamp(0.0, 1.0))))
}

/// The plan for the token in use.
#[derive(Debug)]
pub(crate) struct Renewal {
    step: Step,
    failures: Backoff,
    not_before: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Nothing to renew, or nobody to ask.
    Idle,
    /// A call is due at this moment.
    Due(Duration),
    /// A call is under way, or its token is on its way to the server.
    UnderWay,
}

impl Renewal {
    /// A plan with nothing to do.
    pub(crate) fn idle() -> Self {
        Self { step: Step::Idle, failures: Backoff::for_hook(), not_before: Duration::ZERO }
    }

    /// The server has accepted a token that had `life` to go when it was first seen, and has `left` now.
    pub(crate) fn accepted(&mut self, now: Duration, left: Duration, life: Duration, chance: f64) {
        let lead = spread_lead(life.max(left), chance);
        // One that is over is no reason to hurry: nothing new starts until it is replaced, and what runs goes on.
        let least = if left.is_zero() { LEAST_INTERVAL } else { LEAST_INTERVAL.min(left / 2).max(LEAST_OF_ALL) };
        let at = now + left.saturating_sub(lead).max(least);
        self.step = Step::Due(at.max(self.not_before));
    }

    /// A call gave a new token: earlier failures are forgotten.
    pub(crate) fn succeeded(&mut self) {
        self.failures.reset();
        self.not_before = Duration::ZERO;
    }

    /// The server warns that `left` remains. Brings forward a plan that is later than any made for such a token; others
    /// stand, since everybody is warned at the same moment.
    pub(crate) fn warned(&mut self, now: Duration, left: Duration, chance: f64) {
        let latest = now + left.saturating_sub(spread_lead(left, 0.0));
        if let Step::Due(at) = self.step
            && at > latest
        {
            let sooner = now + (left / 2).mul_f64(chance.clamp(0.0, 1.0));
            self.step = Step::Due(sooner.max(self.not_before));
        }
    }

    /// The user is back in the room with a token that is to be replaced: soon, but not everybody at once.
    pub(crate) fn overdue(&mut self, now: Duration, chance: f64) {
        let at = now + LEAST_INTERVAL.mul_f64(chance.clamp(0.0, 1.0));
        self.step = Step::Due(at.max(self.not_before));
    }

    /// A call begins.
    pub(crate) fn begun(&mut self) {
        self.step = Step::UnderWay;
    }

    /// The call, or the token it gave, came to nothing. Returns the wait before the next call.
    pub(crate) fn failed(&mut self, now: Duration, chance: f64) -> Duration {
        let wait = self.failures.next(chance);
        self.not_before = now + wait;
        self.step = Step::Due(self.not_before);
        wait
    }

    /// There is nothing to renew any more, or the app said no for good.
    pub(crate) fn stop(&mut self) {
        self.step = Step::Idle;
    }

    /// The moment before which no call may begin, on a connection or between two.
    pub(crate) fn not_before(&self) -> Duration {
        self.not_before
    }

    /// When the next call is due.
    pub(crate) fn due_at(&self) -> Option<Duration> {
        match self.step {
            Step::Due(at) => Some(at),
            Step::Idle | Step::UnderWay => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Environment, ManualEnvironment};

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn the_lead_is_a_fifth_at_least_thirty_seconds_and_never_over_half() {
        for (life, expected) in [
            (0, 0),
            (10, 5),
            (20, 10),
            (60, 30),
            (61, 30),
            (100, 30),
            (150, 30),
            (200, 40),
            (3600, 720),
            (86_400, 17_280),
        ] {
            assert_eq!(lead(secs(life)), secs(expected), "life {life}");
        }
    }

    fn due_after(left: u64, chance: f64) -> Duration {
        let mut renewal = Renewal::idle();
        renewal.accepted(secs(1000), secs(left), secs(left), chance);
        renewal.due_at().unwrap() - secs(1000)
    }

    #[test]
    fn a_renewal_is_due_one_lead_before_expiry_or_a_quarter_lead_sooner_but_not_before_half_of_the_life() {
        for (left, earliest, latest) in [
            (3600, 2700.0, 2880.0),
            (100, 62.5, 70.0),
            (70, 35.0, 42.5),
            (60, 30.0, 37.5),
            (20, 10.0, 12.5),
            (8, 4.0, 5.0),
            (4, 2.0, 2.5),
            (1, 0.5, 0.625),
            (0, 5.0, 5.0),
        ] {
            assert_eq!(due_after(left, 1.0).as_secs_f64(), earliest, "left {left}");
            assert_eq!(due_after(left, 0.0).as_secs_f64(), latest, "left {left}");
        }
    }

    #[test]
    fn a_token_that_is_shown_again_keeps_the_lead_of_its_whole_life() {
        let mut renewal = Renewal::idle();
        renewal.accepted(secs(1000), secs(1800), secs(3600), 0.0);
        assert_eq!(renewal.due_at(), Some(secs(1000 + 1800 - 720)));
    }

    #[test]
    fn nothing_is_due_while_a_call_is_under_way() {
        let mut renewal = Renewal::idle();
        renewal.accepted(secs(0), secs(3600), secs(3600), 0.5);
        renewal.begun();
        renewal.warned(secs(3570), secs(30), 0.5);
        assert_eq!(renewal.due_at(), None);
        assert_eq!(renewal.failed(secs(3580), 1.0), secs(1));
        assert_eq!(renewal.due_at(), Some(secs(3581)));
        renewal.stop();
        assert_eq!(renewal.due_at(), None);
    }

    #[test]
    fn a_warning_brings_a_late_plan_forward_and_leaves_a_near_one() {
        let mut renewal = Renewal::idle();
        renewal.accepted(secs(0), secs(3600), secs(3600), 0.0);
        renewal.warned(secs(10), secs(30), 1.0);
        assert_eq!(renewal.due_at(), Some(secs(25)));
        renewal.warned(secs(20), secs(30), 0.0);
        assert_eq!(renewal.due_at(), Some(secs(25)));
    }

    #[test]
    fn a_short_token_that_is_warned_of_at_once_is_not_renewed_sooner() {
        for chance in [0.0, 0.5, 1.0] {
            let mut renewal = Renewal::idle();
            renewal.accepted(secs(0), secs(20), secs(20), chance);
            let due_at = renewal.due_at();
            renewal.warned(secs(0), secs(20), 0.0);
            assert_eq!(renewal.due_at(), due_at);
        }
    }

    #[test]
    fn a_login_with_the_old_token_does_not_forget_failures_but_a_new_token_does() {
        let mut renewal = Renewal::idle();
        for _ in 0..6 {
            renewal.failed(secs(0), 1.0);
        }
        assert_eq!(renewal.not_before(), secs(32));
        renewal.accepted(secs(1), secs(20), secs(20), 0.0);
        assert_eq!(renewal.due_at(), Some(secs(32)));
        renewal.succeeded();
        renewal.accepted(secs(1), secs(20), secs(20), 1.0);
        assert_eq!(renewal.due_at(), Some(secs(11)));
        assert_eq!(renewal.failed(secs(11), 1.0), secs(1));
    }

    /// Evenly spread draws that are the same on every run.
    fn draws(seed: u64) -> impl Iterator<Item = f64> {
        let environment = ManualEnvironment::seeded(seed);
        std::iter::repeat_with(move || environment.random())
    }

    // proves T48
    #[test]
    fn ten_minutes_of_failures_are_at_most_forty_calls() {
        let mut most = 0;
        for seed in 1..=200u64 {
            let mut chances = draws(seed);
            let mut renewal = Renewal::idle();
            renewal.accepted(secs(0), secs(60), secs(60), 0.0);
            let (mut now, mut calls) = (renewal.due_at().unwrap(), 0);
            let end = now + secs(600);
            while now < end {
                calls += 1;
                renewal.begun();
                renewal.failed(now, chances.next().unwrap());
                now = renewal.due_at().unwrap();
            }
            most = most.max(calls);
        }
        assert!((10..=40).contains(&most), "{most} calls");
    }

    // proves F10 (renewals of tokens that end together)
    #[test]
    fn five_thousand_tokens_that_end_in_the_same_second_are_not_renewed_in_the_same_second() {
        // Longer lives spread so widely that a second's share is a handful, and its size a matter of luck.
        for (seed, left) in (1..=20u64).flat_map(|seed| [60, 100, 600, 1800, 3600].map(|left| (seed, left))) {
            let mut buckets = std::collections::BTreeMap::new();
            for chance in draws(seed).take(5000) {
                *buckets.entry(due_after(left, chance).as_secs()).or_insert(0u64) += 1;
            }
            let seconds = buckets.last_key_value().unwrap().0 - buckets.first_key_value().unwrap().0 + 1;
            let (mean, most) = (5000 / seconds, *buckets.values().max().unwrap());
            assert!(seconds >= 8 && most <= 2 * mean, "life {left} s: {most} in one of {seconds} s");
        }
    }

    proptest! {
        #[test]
        fn a_plan_is_never_in_the_past_and_never_before_half_of_life(left in 0u64..2_100_000, chance in 0.0..=1.0f64) {
            let due = due_after(left, chance);
            prop_assert!(due >= LEAST_OF_ALL);
            prop_assert!(due >= secs(left) / 2);
            prop_assert!(left == 0 || due < secs(left));
        }

        #[test]
        fn failures_wait_between_half_a_second_and_a_minute(failures in 1usize..50, chance in 0.0..=1.0f64) {
            let mut renewal = Renewal::idle();
            for _ in 0..failures {
                let wait = renewal.failed(secs(0), chance);
                prop_assert!(wait >= Duration::from_millis(500) && wait <= secs(60));
            }
        }
    }
}
