//! How late this process is, and what it leaves undone meanwhile: whoever comes back in a herd is asked to come a little
//! later, before everybody waits for everybody.
//!
//! What has been let in goes before what wants to come in: renewals are never refused here, logins before mints are not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};

/// How often it is seen how late we are.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What can be put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Minting a token.
    Mint,
    /// Opening a socket, for a login.
    Login,
}

impl Work {
    /// How late we may be and still do it.
    const fn patience(self) -> Duration {
        match self {
            Self::Mint => Duration::from_millis(500),
            Self::Login => Duration::from_millis(1000),
        }
    }
}

/// How late this process is. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Pressure(Arc<AtomicU64>);

impl Pressure {
    /// Whether there is time for such work.
    pub fn has_time_for(&self, work: Work) -> bool {
        self.late() <= work.patience()
    }

    /// How long what was due had to wait lately.
    pub fn late(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    /// Notes how long something that was due has had to wait. What was noted before fades.
    pub fn note(&self, late: Duration) {
        let late = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
        self.0.store(late.max(self.0.load(Ordering::Relaxed) / 4 * 3), Ordering::Relaxed);
    }

    /// Looks again and again how late we are; for one task.
    pub async fn watch(self) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = looks.tick().await;
            self.note(due.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mints_wait_first_and_all_is_well_again_soon() {
        let pressure = Pressure::default();
        let admits = |pressure: &Pressure| [Work::Mint, Work::Login].map(|work| pressure.has_time_for(work));
        assert_eq!(admits(&pressure), [true, true]);
        pressure.note(Duration::from_millis(700));
        assert_eq!(admits(&pressure), [false, true]);
        pressure.note(Duration::from_secs(3));
        assert_eq!(admits(&pressure), [false, false]);
        let looks = (1..).find(|_| {
            pressure.note(Duration::ZERO);
            admits(&pressure) == [true, true]
        });
        assert!(looks.unwrap() <= 10, "within a second");
    }

    #[tokio::test]
    async fn a_busy_thread_is_noticed() {
        let pressure = Pressure::default();
        tokio::spawn(pressure.clone().watch());
        let start = std::time::Instant::now();
        while pressure.late() < Duration::from_millis(200) {
            assert!(start.elapsed() < Duration::from_secs(20));
            tokio::task::yield_now().await;
            // The thread is taken, as by too many logins.
            std::thread::sleep(Duration::from_millis(350));
        }
    }
}
