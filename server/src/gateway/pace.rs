//! The tempo of one connection: how fast it may talk, and when it has been silent too long. Pure: `now` comes in.

use std::time::Duration;

use token_gen::UnixSeconds;

/// A bucket of messages, refilled each second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    per_sec: u32,
    burst: u32,
    left: u32,
    refilled_at: UnixSeconds,
}

impl Pace {
    pub(super) fn new(per_sec: u32, burst: u32, now: UnixSeconds) -> Self {
        Self { per_sec, burst, left: burst, refilled_at: now }
    }

    /// Whether one more message is in order.
    pub(super) fn admits(&mut self, now: UnixSeconds) -> bool {
        let elapsed = u32::try_from(now.duration_since(self.refilled_at).as_secs()).unwrap_or(u32::MAX);
        if elapsed > 0 {
            self.left = self.left.saturating_add(self.per_sec.saturating_mul(elapsed)).min(self.burst);
            self.refilled_at = now;
        }
        let admitted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        admitted
    }
}

/// Asks a silent client for a sign of life, and gives up on one that does not answer.
#[derive(Debug)]
pub(super) struct Heartbeat {
    ping_interval: Duration,
    pong_timeout: Duration,
    heard_at: UnixSeconds,
    due_at: UnixSeconds,
    is_asked: bool,
}

/// What the heartbeat wants done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Nothing,
    Ping,
    GiveUp,
}

impl Heartbeat {
    pub(super) fn new(ping_interval: Duration, pong_timeout: Duration, now: UnixSeconds) -> Self {
        Self { ping_interval, pong_timeout, heard_at: now, due_at: now.saturating_add(ping_interval), is_asked: false }
    }

    /// When to call [`Heartbeat::beat`] next.
    pub(super) fn due_at(&self) -> UnixSeconds {
        self.due_at
    }

    /// When the client last gave a sign of life.
    pub(super) fn heard_at(&self) -> UnixSeconds {
        self.heard_at
    }

    /// Something came from the client: it lives.
    pub(super) fn heard(&mut self, now: UnixSeconds) {
        self.heard_at = now;
        self.is_asked = false;
        self.due_at = now.saturating_add(self.ping_interval);
    }

    pub(super) fn beat(&mut self, now: UnixSeconds) -> Beat {
        if now < self.due_at {
            return Beat::Nothing;
        }
        if self.is_asked {
            return Beat::GiveUp;
        }
        self.is_asked = true;
        self.due_at = now.saturating_add(self.pong_timeout);
        Beat::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> UnixSeconds {
        UnixSeconds::new(1_800_000_000 + seconds)
    }

    fn admitted(pace: &mut Pace, now: UnixSeconds) -> usize {
        (0..1000).take_while(|_| pace.admits(now)).count()
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let mut pace = Pace::new(50, 100, at(0));
        assert_eq!(admitted(&mut pace, at(0)), 100);
        assert_eq!(admitted(&mut pace, at(1)), 50);
        assert_eq!(admitted(&mut pace, at(1)), 0);
        assert_eq!(admitted(&mut pace, at(1000)), 100);
        assert_eq!(admitted(&mut pace, at(999)), 0);
    }

    #[test]
    fn silence_is_asked_about_once_and_then_ends() {
        let mut heartbeat = Heartbeat::new(Duration::from_secs(25), Duration::from_secs(10), at(0));
        assert_eq!(heartbeat.beat(at(24)), Beat::Nothing);
        assert_eq!(heartbeat.beat(at(25)), Beat::Ping);
        assert_eq!(heartbeat.due_at(), at(35));
        assert_eq!(heartbeat.beat(at(34)), Beat::Nothing);
        heartbeat.heard(at(34));
        assert_eq!(heartbeat.beat(at(58)), Beat::Nothing);
        assert_eq!(heartbeat.beat(at(59)), Beat::Ping);
        assert_eq!(heartbeat.beat(at(69)), Beat::GiveUp);
    }
}
