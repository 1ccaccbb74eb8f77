//! When a delivery that failed is tried again.

use std::time::Duration;

/// The waits after each failed attempt, in seconds: fast at first, then ever rarer, for 22 hours in all.
const WAITS: [u64; 12] = [2, 4, 8, 16, 32, 60, 300, 900, 3_600, 10_800, 21_600, 43_200];

/// How long to wait after `tries` failed attempts; `None` to give up.
pub(super) fn wait_after(tries: u32) -> Option<Duration> {
    let index = usize::try_from(tries.checked_sub(1)?).ok()?;
    WAITS.get(index).copied().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_waits_double_and_all_of_them_are_a_day() {
        let waits: Vec<u64> = (1..).map_while(wait_after).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits[..5], [2, 4, 8, 16, 32]);
        assert!(waits.is_sorted() && waits.len() == 12);
        let all: u64 = waits.iter().sum();
        assert!((20 * 3600..=24 * 3600).contains(&all), "{all}");
        assert_eq!(wait_after(13), None);
    }
}
