//! Noticing that the device slept: the date has moved on further than the time the client has lived through. Pure.

use std::time::Duration;

/// What is no drift any more, nor a leap second.
const SLEEP: Duration = Duration::from_secs(5);

/// The two clocks, as they stood when they were looked at last.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Vigil(Option<(Duration, Duration)>);

impl Vigil {
    /// Looks at the time passed and the date. How far the date has run ahead since the last look, if that is no drift:
    /// the device slept, or its date was set. Without a date nothing is noticed.
    pub(crate) fn look(&mut self, now: Duration, date: Option<Duration>) -> Option<Duration> {
        let before = std::mem::replace(&mut self.0, date.map(|date| (now, date)));
        let ((now_before, date_before), date) = (before?, date?);
        let ahead = date.saturating_sub(date_before).saturating_sub(now.saturating_sub(now_before));
        (ahead > SLEEP).then_some(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_date_that_runs_ahead_is_a_sleep_and_each_is_noticed_once() {
        let mut vigil = Vigil::default();
        let secs = Duration::from_secs;
        for (now, date, ahead) in [
            (0, Some(1_000), None),
            (25, Some(1_025), None),
            (50, Some(1_055), None),
            (75, Some(4_680), Some(3_600)),
            (100, Some(4_705), None),
            // Set back, and forward again.
            (125, Some(1_130), None),
            (150, Some(4_755), Some(3_600)),
            (175, None, None),
            (200, Some(9_000), None),
        ] {
            assert_eq!(vigil.look(secs(now), date.map(secs)), ahead.map(secs), "{now}");
        }
    }
}
