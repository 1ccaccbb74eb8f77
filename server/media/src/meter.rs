//! Measuring and capping rates. Pure: time arrives as `now`.

use std::time::{Duration, Instant};

/// Over how long a rate is measured.
const WINDOW: Duration = Duration::from_secs(1);

/// Bits a second over the last second or so.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    since: Instant,
    bytes: u64,
    bps: u64,
}

impl Meter {
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, bytes: 0, bps: 0 }
    }

    pub(crate) fn add(&mut self, bytes: usize, now: Instant) {
        self.roll(now);
        self.bytes += bytes as u64;
    }

    /// The rate; before the first second is over, what it amounts to so far.
    pub(crate) fn bps(&mut self, now: Instant) -> u64 {
        self.roll(now);
        if self.bps > 0 {
            return self.bps;
        }
        let millis = now.duration_since(self.since).as_millis().max(100) as u64;
        self.bytes * 8000 / millis
    }

    /// Whether a whole second has been measured.
    pub(crate) fn is_settled(&self) -> bool {
        self.bps > 0
    }

    fn roll(&mut self, now: Instant) {
        let elapsed = now.duration_since(self.since);
        if elapsed >= WINDOW {
            self.bps = self.bytes * 8000 / elapsed.as_millis() as u64;
            self.since = now;
            self.bytes = 0;
        }
    }
}

/// A cap on a rate, with a quarter of a second of credit for bursts such as keyframes.
#[derive(Debug, Clone)]
pub(crate) struct Cap {
    bps: u64,
    /// Bits that may pass now.
    credit: u64,
    at: Instant,
}

impl Cap {
    pub(crate) fn new(bps: u64, now: Instant) -> Self {
        Self { bps, credit: bps / 4, at: now }
    }

    pub(crate) fn bps(&self) -> u64 {
        self.bps
    }

    /// Whether `bytes` may pass now; if so they count.
    pub(crate) fn passes(&mut self, bytes: usize, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.at).as_micros() as u64 * self.bps / 1_000_000;
        if earned > 0 {
            self.at = now;
            self.credit = (self.credit + earned).min(self.bps / 4);
        }
        let bits = bytes as u64 * 8;
        let passes = bits <= self.credit;
        if passes {
            self.credit -= bits;
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_reads_what_passed_in_the_last_second() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        for packet in 0..200_u64 {
            meter.add(1250, start + Duration::from_millis(packet * 10));
        }
        let bps = meter.bps(start + Duration::from_secs(2));
        assert!((950_000..=1_050_000).contains(&bps), "{bps}");
        assert_eq!(meter.bps(start + Duration::from_secs(10)), 0, "after silence");
    }

    #[test]
    fn a_cap_lets_its_rate_pass_and_no_more() {
        let start = Instant::now();
        let mut cap = Cap::new(1_000_000, start);
        let passed = (0..10_000_u64).filter(|tick| cap.passes(1250, start + Duration::from_millis(*tick))).count();
        // 10 s at 100 packets a second, and the burst before them.
        assert!((1000..=1030).contains(&passed), "{passed}");
    }
}
