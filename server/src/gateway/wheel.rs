//! One timer for all connections: those that wait for the same second wait together, and one task wakes them.
//!
//! A timer for each would wake the machine as often as there are connections.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use token_gen::UnixSeconds;
use tokio::sync::Notify;

use crate::clock::Clock;

/// Wakes whoever waits, at their second.
pub(super) struct Wheel {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// A second has been added that comes before all others.
    sooner: Notify,
}

#[derive(Default)]
struct State {
    seconds: BTreeMap<UnixSeconds, Arc<Notify>>,
    /// Whether the task runs that turns the wheel. It ends when nobody waits.
    turns: bool,
}

impl Wheel {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, state: Mutex::default(), sooner: Notify::new() })
    }

    /// Returns once the clock shows `at` or later.
    pub(super) async fn wait(self: &Arc<Self>, at: UnixSeconds) {
        while self.clock.now() < at {
            let second = self.second(at);
            let mut struck = pin!(second.notified());
            struck.as_mut().enable();
            // Struck before this one listened, it would not be struck again.
            if self.clock.now() < at {
                struck.await;
            }
        }
    }

    /// The second to wait for.
    fn second(self: &Arc<Self>, at: UnixSeconds) -> Arc<Notify> {
        let mut state = self.lock();
        let is_sooner = state.seconds.keys().next().is_none_or(|&first| at < first);
        let second = Arc::clone(state.seconds.entry(at).or_default());
        if !state.turns {
            state.turns = true;
            tokio::spawn(Arc::clone(self).turn());
        } else if is_sooner {
            self.sooner.notify_one();
        }
        second
    }

    async fn turn(self: Arc<Self>) {
        while let Some(next) = self.next() {
            tokio::select! {
                () = self.clock.sleep_until(next) => self.strike(self.clock.now()),
                () = self.sooner.notified() => {}
            }
        }
    }

    /// The second that comes first; without one, the wheel stops.
    fn next(&self) -> Option<UnixSeconds> {
        let mut state = self.lock();
        let next = state.seconds.keys().next().copied();
        state.turns = next.is_some();
        next
    }

    fn strike(&self, now: UnixSeconds) {
        let struck = {
            let mut state = self.lock();
            let later = state.seconds.split_off(&UnixSeconds::new(now.get().saturating_add(1)));
            std::mem::replace(&mut state.seconds, later)
        };
        struck.into_values().for_each(|second| second.notify_waiters());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way, so a poisoned state is still a good one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::poll;

    use super::*;
    use crate::clock::ManualClock;

    fn at(second: i64) -> UnixSeconds {
        UnixSeconds::new(second)
    }

    #[tokio::test]
    async fn each_wakes_at_its_second_and_the_wheel_stops_when_nobody_waits() {
        let clock = Arc::new(ManualClock::new(at(100)));
        let wheel = Wheel::new(clock.clone());
        wheel.wait(at(100)).await;
        assert!(!wheel.lock().turns);
        let mut late = pin!(wheel.wait(at(130)));
        assert!(poll!(&mut late).is_pending());
        let mut soon = pin!(wheel.wait(at(110)));
        let mut also_soon = pin!(wheel.wait(at(110)));
        assert!(poll!(&mut soon).is_pending() && poll!(&mut also_soon).is_pending());
        clock.advance(Duration::from_secs(10));
        soon.await;
        also_soon.await;
        assert!(poll!(&mut late).is_pending());
        clock.advance(Duration::from_secs(50));
        late.await;
        while wheel.lock().turns {
            tokio::task::yield_now().await;
        }
        let mut again = pin!(wheel.wait(at(170)));
        assert!(poll!(&mut again).is_pending());
        clock.advance(Duration::from_secs(10));
        again.await;
    }
}
